//! Greenhouse gas of one invocation: operational (processor, memory, network at the grid's
//! intensity) and embodied.
//!
//! Power, PUE, memory and network constants: Cloud Carbon Footprint
//! (`cloud-carbon-footprint/cloud-carbon-footprint`, footprint estimation constants, as of 2022-06
//! to 2023-05). What a warm, idle instance burns between invocations is not counted.

use super::{grids::Grid, instances::azure_billed_megabytes, scaling};
use crate::{
    placement::{Placement, Provider, Region},
    time::UtcTime,
    units::GramsCo2e,
};

/// What a provider's machines draw and what they took to make.
struct Machines {
    /// Watts per vCPU when idle.
    idle_watts: f64,
    /// Watts per vCPU at full load.
    full_watts: f64,
    /// gCO2e for making the server, per vCPU and hour of its life of four years (35,040 h).
    embodied_per_vcpu_hour: f64,
}

// Embodied: total of a typical general-purpose server in
// `cloud-carbon-footprint/cloud-carbon-coefficients`,
// `output/coefficients-{aws,azure,gcp}-embodied*.csv` (m5 1610.79 kg, D96a v4 1560.79 kg,
// n2-standard-128 1888.46 kg), spread over its vCPUs and life as in the Software Carbon Intensity
// specification: M = TE * (time reserved / expected life) * (resources reserved / total resources).
const AWS_MACHINES: Machines = Machines {
    idle_watts: 0.74,
    full_watts: 3.5,
    embodied_per_vcpu_hour: 1_610_790.0 / 96.0 / SERVER_LIFE_HOURS,
};
const AZURE_MACHINES: Machines = Machines {
    idle_watts: 0.74,
    full_watts: 3.54,
    embodied_per_vcpu_hour: 1_560_790.0 / 96.0 / SERVER_LIFE_HOURS,
};
const GCP_MACHINES: Machines = Machines {
    idle_watts: 0.68,
    full_watts: 4.11,
    embodied_per_vcpu_hour: 1_888_460.0 / 128.0 / SERVER_LIFE_HOURS,
};
const SERVER_LIFE_HOURS: f64 = 35_040.0;

const AWS_PUE: f64 = 1.135;
const AZURE_PUE: f64 = 1.185;
/// By region; Oregon has no figure of its own and takes Google's average.
const GCP_PUE: [f64; Region::COUNT] = [1.08, 1.10, 1.09, 1.13];

const MEMORY_KWH_PER_GB_HOUR: f64 = 0.000_392;
const NETWORK_KWH_PER_GB: f64 = 0.001;
const MS_PER_HOUR: f64 = 3_600_000.0;
const WATTS_PER_KILOWATT: f64 = 1000.0;
const MB_PER_GB: f64 = 1024.0;
const BYTES_PER_GB: f64 = 1e9;

/// One run, as far as its energy is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Time the run takes on the placement, in ms.
    pub duration_ms: f64,
    /// Share of a run at full speed that waits for the processor, 0 to 1 (see
    /// [`crate::TYPICAL_CPU_SHARE`]).
    pub cpu_share: f64,
    /// Memory the run uses, in MB.
    pub memory_used_mb: f64,
}

/// Intensity of the grid behind a provider's region at that hour, in gCO2e/kWh.
pub fn grid_intensity(provider: Provider, region: Region, at: UtcTime) -> f64 {
    Grid::at(provider, region).at_hour(at.hour())
}

/// Mean intensity of the grid behind a provider's region over 2021 to 2024, in gCO2e/kWh.
pub fn mean_grid_intensity(provider: Provider, region: Region) -> f64 {
    Grid::at(provider, region).mean()
}

/// What a run takes of the machine it is on, whatever the region: before the data centre's overhead
/// and the network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    machine_kwh: f64,
    embodied: GramsCo2e,
}

impl Spent {
    /// Of one run with the provider and the memory size of `placement`: idle power of the
    /// processors that are reserved, the rest of their power while they are busy, and memory.
    pub fn new(placement: Placement, run: Run) -> Self {
        let machines = machines(placement.provider);
        let hours = run.duration_ms.max(0.0) / MS_PER_HOUR;
        let allotted = scaling::allotted_vcpus(placement, run.memory_used_mb);
        let busy = scaling::usable_vcpus(placement, run.memory_used_mb)
            * scaling::busy_share(placement, run.cpu_share);
        let spread = machines.full_watts - machines.idle_watts;
        let watts = allotted * machines.idle_watts + busy * spread;
        let gigabytes = reserved_megabytes(placement, run.memory_used_mb) / MB_PER_GB;
        Self {
            machine_kwh: hours * (watts / WATTS_PER_KILOWATT + gigabytes * MEMORY_KWH_PER_GB_HOUR),
            embodied: GramsCo2e::new(hours * allotted * machines.embodied_per_vcpu_hour),
        }
    }

    /// The share of making the server that falls on the run.
    pub fn embodied(&self) -> GramsCo2e {
        self.embodied
    }

    /// Energy including the data centre's overhead (PUE) and the bytes that leave or enter the
    /// region for the run, in kWh.
    pub fn energy_kwh(&self, (provider, region): (Provider, Region), network_bytes: f64) -> f64 {
        let network_kwh = network_bytes.max(0.0) / BYTES_PER_GB * NETWORK_KWH_PER_GB;
        self.machine_kwh * pue(provider, region) + network_kwh
    }

    /// Operational and embodied gas of the run at `site` when it starts at `at`. `site` is of the
    /// provider that this was worked out for.
    pub fn footprint(
        &self,
        site: (Provider, Region),
        network_bytes: f64,
        at: UtcTime,
    ) -> GramsCo2e {
        let intensity = grid_intensity(site.0, site.1, at);
        GramsCo2e::new(self.energy_kwh(site, network_bytes) * intensity) + self.embodied
    }
}

const fn machines(provider: Provider) -> &'static Machines {
    match provider {
        Provider::Aws => &AWS_MACHINES,
        Provider::Azure => &AZURE_MACHINES,
        Provider::Gcp => &GCP_MACHINES,
    }
}

const fn pue(provider: Provider, region: Region) -> f64 {
    match provider {
        Provider::Aws => AWS_PUE,
        Provider::Azure => AZURE_PUE,
        Provider::Gcp => GCP_PUE[region.index()],
    }
}

/// Memory kept for one invocation, in MB: what is configured, on Azure what is billed.
fn reserved_megabytes(placement: Placement, memory_used_mb: f64) -> f64 {
    match placement.provider {
        Provider::Azure => azure_billed_megabytes(memory_used_mb),
        Provider::Aws | Provider::Gcp => f64::from(placement.memory.megabytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::MemoryTier;

    fn midnight_plus(hours: i64) -> UtcTime {
        UtcTime::from_unix_seconds(hours * 3600)
    }

    const RUN: Run = Run { duration_ms: 1000.0, cpu_share: 1.0, memory_used_mb: 100.0 };

    #[test]
    fn daily_profiles_average_to_one() {
        for provider in Provider::ALL {
            for region in Region::ALL {
                let sum: f64 =
                    (0..24).map(|h| grid_intensity(provider, region, midnight_plus(h))).sum();
                let mean = mean_grid_intensity(provider, region);
                assert!((sum / 24.0 / mean - 1.0).abs() < 2e-4, "{provider} {region}");
            }
        }
    }

    #[test]
    fn oregon_is_dirtiest_at_night_when_its_rivers_and_sun_rest() {
        let at = |h| grid_intensity(Provider::Aws, Region::UsWest, midnight_plus(h));
        assert!((at(9) - 248.2 * 1.180).abs() < 1e-9);
        assert!(at(9) > at(21));
    }

    #[test]
    fn one_busy_second_on_a_lambda_by_hand() {
        // 1769 MB would be one vCPU; 2048 MB is 1.1577. Idle 0.8567 W, busy 2.76 W, memory 2 GB:
        // 0.784 W.
        let placement = Placement {
            provider: Provider::Aws,
            region: Region::UsEast,
            memory: MemoryTier::Mb2048,
        };
        let watts = 2048.0 / 1769.0 * 0.74 + 2.76 + 2.0 * 0.392;
        let expected = watts / 1000.0 / 3600.0 * 1.135;
        let spent = Spent::new(placement, RUN);
        let site = (placement.provider, placement.region);
        assert!((spent.energy_kwh(site, 0.0) / expected - 1.0).abs() < 1e-12);
        let embodied_g = 1_610_790.0 / 96.0 / 35_040.0 / 3600.0 * 2048.0 / 1769.0;
        assert!((spent.embodied().get() / embodied_g - 1.0).abs() < 1e-12);
        let total = spent.footprint(site, 0.0, midnight_plus(15)).get();
        assert!((total / (expected * 411.0 + embodied_g) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn washington_is_the_cleanest_place_and_a_gigabyte_costs_a_watt_hour() {
        for provider in Provider::ALL {
            for region in Region::ALL {
                let here = mean_grid_intensity(provider, region);
                assert!(here >= mean_grid_intensity(Provider::Azure, Region::UsWest));
            }
        }
        let placement = Placement {
            provider: Provider::Gcp,
            region: Region::EuWest,
            memory: MemoryTier::Mb128,
        };
        let idle = Spent::new(placement, Run { duration_ms: 0.0, ..RUN });
        assert_eq!(idle.energy_kwh((placement.provider, placement.region), 1e9), 0.001);
    }
}
