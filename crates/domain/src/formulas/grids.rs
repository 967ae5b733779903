//! Carbon intensity of the electricity grids behind the providers' regions.
//!
//! Derived from the hourly series of Electricity Maps ("Hourly Carbon Intensity Data", version of
//! 2025-01-27; as stored in `atlarge-research/opendc-traces`), 35,064 hours from 2021-01-01 to
//! 2024-12-31 per zone: the mean of all hours, and for each UTC hour of the day the mean of its
//! 1,461 values over that mean, rounded to three decimals. The series itself is not part of this
//! project.

use crate::placement::{Provider, Region};

const HOURS: usize = 24;

/// The grid of a place: mean intensity and its shape over the day.
pub(super) struct Grid {
    /// Mean of 2021 to 2024 in gCO2e/kWh.
    mean: f64,
    /// Mean of each UTC hour over the mean of all hours.
    by_hour: [f64; HOURS],
}

impl Grid {
    /// The grid behind a provider's region.
    pub(super) const fn at(provider: Provider, region: Region) -> &'static Self {
        match (region, provider) {
            (Region::UsEast, Provider::Aws | Provider::Azure | Provider::Gcp) => &VIRGINIA,
            (Region::UsWest, Provider::Aws) => &OREGON_PACIFICORP,
            (Region::UsWest, Provider::Azure) => &WASHINGTON_GRANT_COUNTY,
            (Region::UsWest, Provider::Gcp) => &OREGON_BONNEVILLE,
            (Region::EuWest, Provider::Gcp) => &BELGIUM,
            (Region::EuWest, Provider::Aws | Provider::Azure) => &IRELAND,
            (Region::ApSoutheast, Provider::Aws | Provider::Azure | Provider::Gcp) => &SINGAPORE,
        }
    }

    /// Mean intensity in gCO2e/kWh.
    pub(super) const fn mean(&self) -> f64 {
        self.mean
    }

    /// Intensity at an hour of the day (UTC), in gCO2e/kWh.
    pub(super) fn at_hour(&self, hour: u32) -> f64 {
        self.mean * self.by_hour[hour as usize % HOURS]
    }
}

/// Zone US-MIDA-PJM: Virginia.
#[rustfmt::skip]
const VIRGINIA: Grid = Grid {
    mean: 411.0,
    by_hour: [
        1.036, 1.039, 1.035, 1.021, 0.999, 0.981, 0.971, 0.964, 0.964, 0.971, 0.983, 0.992,
        0.996, 0.997, 0.998, 1.000, 1.000, 0.999, 0.998, 0.997, 0.999, 1.008, 1.020, 1.031,
    ],
};
/// Zone US-NW-PACW: AWS in Oregon (Umatilla, Morrow).
#[rustfmt::skip]
const OREGON_PACIFICORP: Grid = Grid {
    mean: 248.2,
    by_hour: [
        0.874, 0.875, 0.890, 0.921, 0.964, 1.040, 1.097, 1.144, 1.169, 1.180, 1.177, 1.163,
        1.113, 1.031, 0.999, 0.980, 0.954, 0.936, 0.930, 0.922, 0.918, 0.912, 0.909, 0.900,
    ],
};
/// Zone US-NW-GCPD: Azure in Quincy, Washington, among hydroelectric dams.
#[rustfmt::skip]
const WASHINGTON_GRANT_COUNTY: Grid = Grid {
    mean: 48.5,
    by_hour: [
        0.814, 0.766, 0.778, 0.805, 0.856, 0.937, 1.022, 1.079, 1.143, 1.172, 1.173, 1.134,
        1.046, 0.955, 0.951, 1.006, 1.045, 1.063, 1.074, 1.078, 1.082, 1.075, 1.031, 0.916,
    ],
};
/// Zone US-NW-BPAT: GCP in The Dalles, Oregon.
#[rustfmt::skip]
const OREGON_BONNEVILLE: Grid = Grid {
    mean: 114.2,
    by_hour: [
        0.861, 0.824, 0.832, 0.863, 0.911, 0.991, 1.061, 1.111, 1.145, 1.165, 1.169, 1.152,
        1.094, 1.001, 0.969, 0.976, 0.981, 0.987, 0.994, 0.996, 0.997, 0.991, 0.976, 0.953,
    ],
};
/// Zone IE: AWS and Azure in Dublin.
#[rustfmt::skip]
const IRELAND: Grid = Grid {
    mean: 398.1,
    by_hour: [
        0.954, 0.945, 0.937, 0.938, 0.947, 0.967, 0.994, 1.024, 1.043, 1.044, 1.034, 1.018,
        1.004, 0.994, 0.988, 0.996, 1.019, 1.044, 1.056, 1.051, 1.038, 1.014, 0.985, 0.965,
    ],
};
/// Zone BE: GCP in Saint-Ghislain.
#[rustfmt::skip]
const BELGIUM: Grid = Grid {
    mean: 168.7,
    by_hour: [
        0.977, 0.955, 0.938, 0.947, 0.976, 1.013, 1.029, 1.012, 0.983, 0.937, 0.905, 0.880,
        0.870, 0.880, 0.907, 0.961, 1.040, 1.119, 1.157, 1.157, 1.151, 1.145, 1.060, 1.000,
    ],
};
/// Zone SG.
#[rustfmt::skip]
const SINGAPORE: Grid = Grid {
    mean: 489.2,
    by_hour: [
        1.000, 0.989, 0.980, 0.974, 0.971, 0.971, 0.977, 0.984, 0.992, 1.001, 1.007, 1.009,
        1.011, 1.012, 1.012, 1.012, 1.013, 1.013, 1.013, 1.013, 1.013, 1.013, 1.011, 1.009,
    ],
};
