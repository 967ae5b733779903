//! A small catalogue for tests: two platforms of two providers, with round figures.

use super::*;
use crate::formulas::cold_start::{ColdStarts, Eviction, StartDelay};

/// A platform that bills configured memory by the millisecond; sold in both of its regions.
pub(crate) const CLOUD: &str = "cloud";
/// A platform that bills used memory on shared instances; sold in one region.
pub(crate) const METERED: &str = "metered";

const MACHINES: Machines =
    Machines { idle_watts: 0.74, full_watts: 3.5, embodied_g_per_vcpu_hour: 0.5 };

fn sizes(slowdown: &[(u32, f64)]) -> Vec<Size> {
    let size = |&(memory_mb, slowdown): &(u32, f64)| Size {
        memory_mb,
        vcpus: f64::from(memory_mb) / 1769.0,
        slowdown,
        billed_mb: f64::from(memory_mb),
    };
    slowdown.iter().map(size).collect()
}

fn cold_starts(minutes: f64, start: StartDelay) -> ColdStarts {
    ColdStarts { evictions: vec![Eviction { idle_minutes: minutes, share: 1.0 }], start }
}

fn platforms() -> Vec<Platform> {
    let cloud = Platform {
        name: CLOUD.to_owned(),
        provider: "alpha".to_owned(),
        architecture: Architecture::X86_64,
        sizes: sizes(&[(128, 14.0), (256, 7.0), (512, 3.4), (1024, 1.6), (2048, 1.0)]),
        processors: Processors::OfSize,
        wait: 1.0,
        billing: Billing { memory: BilledMemory::Configured, rounding_ms: 1.0, minimum_ms: 0.0 },
        cold_starts: cold_starts(7.0, StartDelay::new(265.0, 240.0, 445.0)),
        longest_run_ms: Some(900_000.0),
        machines: MACHINES,
    };
    let metered = Platform {
        name: METERED.to_owned(),
        provider: "beta".to_owned(),
        sizes: sizes(&[(512, 1.5), (1024, 1.5)]),
        processors: Processors::Shared { instance_mb: 1536.0 },
        wait: 1.5,
        billing: Billing {
            memory: BilledMemory::Used { step_mb: 128.0, most_mb: 1536.0 },
            rounding_ms: 1.0,
            minimum_ms: 100.0,
        },
        cold_starts: cold_starts(22.0, StartDelay::new(2810.0, 1436.0, 7720.0)),
        longest_run_ms: None,
        ..cloud.clone()
    };
    vec![cloud, metered]
}

fn region(provider: &str, name: &str, (latitude, longitude): (f64, f64), mean: f64) -> Region {
    Region {
        name: name.to_owned(),
        provider: provider.to_owned(),
        place: name.to_owned(),
        point: Coordinates { latitude, longitude },
        residency: Vec::new(),
        grid: Grid { zone: name.to_owned(), mean, by_hour: [1.0; 24] },
        pue: 1.135,
        internet_usd_per_gb: 0.09,
    }
}

/// Parts that keep every rule.
pub(crate) fn test_parts() -> CatalogueParts {
    let rates = Rates { request_usd: 2e-7, gb_second_usd: 1.66667e-5, vcpu_second_usd: 0.0 };
    let metered = Rates { gb_second_usd: 1.6e-5, ..rates };
    CatalogueParts {
        name: "test".to_owned(),
        revision: "0".to_owned(),
        platforms: platforms(),
        reference_platform: 0,
        default_area: 0,
        regions: vec![
            region("alpha", "east", (39.0, -77.5), 400.0),
            region("alpha", "west", (53.3, -6.3), 200.0),
            region("beta", "east", (37.4, -79.8), 400.0),
        ],
        areas: vec![
            Area { name: "east".to_owned(), regions: vec![0, 2] },
            Area { name: "west".to_owned(), regions: vec![1] },
        ],
        offers: vec![
            Offer { platform: 0, region: 0, rates },
            Offer { platform: 0, region: 1, rates },
            Offer { platform: 1, region: 2, rates: metered },
        ],
        round_trips_ms: vec![1.0, 85.0, 3.0, 85.0, 1.0, 67.0, 3.0, 67.0, 1.0],
        egress_usd_per_gb: vec![0.0, 0.02, 0.09, 0.02, 0.0, 0.09, 0.09, 0.09, 0.0],
        distance: DistanceFit { base_ms: 6.0, ms_per_km: 0.016 },
    }
}

/// A catalogue of these parts.
pub(crate) fn test_catalogue() -> Catalogue {
    Catalogue::new(test_parts()).unwrap_or_else(|error| panic!("{error}"))
}
