//! What a catalogue is made of, and the rules it must keep.

use std::collections::HashSet;

use super::{
    CatalogueError, MAX_CANDIDATES, MAX_PLATFORMS, MAX_REGIONS,
    origin::Coordinates,
    platform::{Platform, Rates},
    region::{Area, Region},
};

/// The parts of a catalogue. Platforms, regions and areas are named by their positions.
#[derive(Debug, Clone)]
pub struct CatalogueParts {
    /// Its name.
    pub name: String,
    /// Identifies its content.
    pub revision: String,
    /// The platforms.
    pub platforms: Vec<Platform>,
    /// Position of the platform that run times are taken to be observed on when nothing else is
    /// known.
    pub reference_platform: usize,
    /// The regions.
    pub regions: Vec<Region>,
    /// The areas of callers.
    pub areas: Vec<Area>,
    /// Position of the area that is the home of functions of which nothing is known.
    pub default_area: usize,
    /// What each platform sells where.
    pub offers: Vec<Offer>,
    /// Round-trip times in ms from each region to each region, row-major.
    pub round_trips_ms: Vec<f64>,
    /// USD per GB sent from each region to each region, row-major.
    pub egress_usd_per_gb: Vec<f64>,
    /// Round trips by distance, for callers at a point.
    pub distance: DistanceFit,
}

/// All sizes of a platform, sold in a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Position of the platform.
    pub platform: usize,
    /// Position of the region; of the platform's provider.
    pub region: usize,
    /// What it charges.
    pub rates: Rates,
}

/// Round-trip time as a straight line over great-circle distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistanceFit {
    /// Milliseconds at no distance.
    pub base_ms: f64,
    /// Milliseconds for each km.
    pub ms_per_km: f64,
}

impl DistanceFit {
    /// The round-trip time in ms between two points.
    pub fn round_trip_ms(&self, from: Coordinates, to: Coordinates) -> f64 {
        self.base_ms + self.ms_per_km * from.distance_km(to)
    }
}

type Check = Result<(), CatalogueError>;

fn fault(place: impl Into<String>, fault: impl Into<String>) -> Check {
    Err(CatalogueError::new(place, fault))
}

impl CatalogueParts {
    pub(super) fn check(&self) -> Check {
        within("platforms", self.platforms.len(), MAX_PLATFORMS)?;
        within("regions", self.regions.len(), MAX_REGIONS)?;
        within("areas", self.areas.len(), MAX_REGIONS)?;
        unique("platforms", self.platforms.iter().map(|platform| &platform.name))?;
        unique("regions", self.regions.iter().map(|region| (&region.provider, &region.name)))?;
        unique("areas", self.areas.iter().map(|area| &area.name))?;
        if self.reference_platform >= self.platforms.len() {
            return fault("reference_platform", "must be a platform");
        }
        if self.default_area >= self.areas.len() {
            return fault("default_area", "must be an area");
        }
        self.check_sizes()?;
        self.check_areas()?;
        self.check_offers()?;
        let cells = self.regions.len() * self.regions.len();
        for (place, table) in [
            ("round_trips_ms", &self.round_trips_ms),
            ("egress_usd_per_gb", &self.egress_usd_per_gb),
        ] {
            if table.len() != cells {
                return fault(place, format!("has {} values, must have {cells}", table.len()));
            }
            if table.iter().any(|value| !value.is_finite() || *value < 0.0) {
                return fault(place, "must be finite and 0 or more");
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Check {
        for platform in &self.platforms {
            let place = format!("platforms[{}].memory_mb", platform.name);
            if platform.sizes.is_empty() {
                return fault(place, "must have at least one size");
            }
            let sorted = platform.sizes.windows(2).all(|two| two[0].memory_mb < two[1].memory_mb);
            if !sorted || platform.sizes[0].memory_mb == 0 {
                return fault(place, "must be above 0 and ascending");
            }
        }
        Ok(())
    }

    fn check_areas(&self) -> Check {
        let mut seen = HashSet::new();
        for area in &self.areas {
            let place = format!("areas[{}]", area.name);
            if area.regions.is_empty() {
                return fault(place, "must have at least one region");
            }
            for region in &area.regions {
                if *region >= self.regions.len() {
                    return fault(place, format!("has no region {region}"));
                }
                if !seen.insert(region) {
                    let name = &self.regions[*region].name;
                    return fault(place, format!("region {name} is already in an area"));
                }
            }
        }
        Ok(())
    }

    fn check_offers(&self) -> Check {
        let mut seen = HashSet::new();
        let mut candidates = 0;
        for offer in &self.offers {
            let (platform, region) =
                (self.platforms.get(offer.platform), self.regions.get(offer.region));
            let (Some(platform), Some(region)) = (platform, region) else {
                return fault("offers", "must be of a known platform and region");
            };
            let place = format!("platforms[{}].regions[{}]", platform.name, region.name);
            if platform.provider != region.provider {
                return fault(place, format!("is a region of {}", region.provider));
            }
            if !seen.insert((offer.platform, offer.region)) {
                return fault(place, "is listed twice");
            }
            candidates += platform.sizes.len();
        }
        within("candidates", candidates, MAX_CANDIDATES)?;
        let sells = |index: usize| self.offers.iter().any(|offer| offer.platform == index);
        match (0..self.platforms.len()).find(|index| !sells(*index)) {
            Some(index) => {
                fault(format!("platforms[{}]", self.platforms[index].name), "is sold nowhere")
            }
            None => Ok(()),
        }
    }
}

fn within(place: &str, count: usize, most: usize) -> Check {
    if count == 0 || count > most {
        return fault(place, format!("must be 1 to {most}, are {count}"));
    }
    Ok(())
}

fn unique<N: std::hash::Hash + Eq + std::fmt::Debug>(
    place: &str,
    names: impl Iterator<Item = N>,
) -> Check {
    let mut seen = HashSet::new();
    for name in names {
        if seen.contains(&name) {
            return fault(place, format!("{name:?} is listed twice"));
        }
        seen.insert(name);
    }
    Ok(())
}
