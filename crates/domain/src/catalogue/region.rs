//! Regions, their grids, and areas of callers.

use super::origin::Coordinates;
use crate::time::UtcTime;

const HOURS: usize = 24;

/// A region of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The provider's own name for it: `eu-central-1`.
    pub name: String,
    /// The provider's name.
    pub provider: String,
    /// Where it is, for people: `Frankfurt`.
    pub place: String,
    /// Where it is.
    pub point: Coordinates,
    /// Groups of residency that it belongs to, such as `EU`.
    pub residency: Vec<String>,
    /// The electricity grid that feeds it.
    pub grid: Grid,
    /// Power usage effectiveness: energy of the data centre over that of its machines.
    pub pue: f64,
    /// USD per GB sent to callers on the internet.
    pub internet_usd_per_gb: f64,
}

/// Carbon intensity of an electricity grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Name of the zone, such as `IE`.
    pub zone: String,
    /// Mean intensity in gCO2e/kWh.
    pub mean: f64,
    /// Mean of each UTC hour over the mean of all hours.
    pub by_hour: [f64; HOURS],
}

impl Grid {
    /// Intensity at the hour of `at`, in gCO2e/kWh.
    pub fn at(&self, at: UtcTime) -> f64 {
        self.mean * self.by_hour[at.hour() as usize % HOURS]
    }
}

/// An area that callers can be in, described by regions that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Its name: `eu-west`.
    pub name: String,
    /// Positions of its regions in the catalogue; at least one. Areas share no region.
    pub regions: Vec<usize>,
}
