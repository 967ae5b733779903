//! Greenhouse gas of one invocation: operational (processor, memory, network at the grid's
//! intensity) and embodied.
//!
//! Memory and network constants: Cloud Carbon Footprint
//! (`cloud-carbon-footprint/cloud-carbon-footprint`, footprint estimation constants, as of 2022-06
//! to 2023-05). What a warm, idle instance burns between invocations is not counted.

use super::{price::billed_megabytes, scaling};
use crate::{
    catalogue::{Platform, Processors, Region, Size},
    time::UtcTime,
    units::GramsCo2e,
};

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

/// What a region adds to the energy of its machines, and the intensity of its grid at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionPower {
    /// Power usage effectiveness.
    pub pue: f64,
    /// gCO2e/kWh.
    pub intensity: f64,
}

impl RegionPower {
    /// Of a region when a run starts at `at`.
    pub fn of(region: &Region, at: UtcTime) -> Self {
        Self { pue: region.pue, intensity: region.grid.at(at) }
    }
}

/// What a run takes of the machine it is on, whatever the region: before the data centre's overhead
/// and the network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    machine_kwh: f64,
    embodied: GramsCo2e,
}

impl Spent {
    /// Of one run in a size of a platform: idle power of the processors that are reserved, the rest
    /// of their power while they are busy, and memory.
    pub fn new(platform: &Platform, size: &Size, run: Run) -> Self {
        let machines = &platform.machines;
        let hours = run.duration_ms.max(0.0) / MS_PER_HOUR;
        let allotted = scaling::allotted_vcpus(platform, size, run.memory_used_mb);
        let busy =
            scaling::usable_vcpus(platform, size) * platform.speed(size).busy_share(run.cpu_share);
        let spread = machines.full_watts - machines.idle_watts;
        let watts = allotted * machines.idle_watts + busy * spread;
        let gigabytes = reserved_megabytes(platform, size, run.memory_used_mb) / MB_PER_GB;
        Self {
            machine_kwh: hours * (watts / WATTS_PER_KILOWATT + gigabytes * MEMORY_KWH_PER_GB_HOUR),
            embodied: GramsCo2e::new(hours * allotted * machines.embodied_g_per_vcpu_hour),
        }
    }

    /// The share of making the server that falls on the run.
    pub fn embodied(&self) -> GramsCo2e {
        self.embodied
    }

    /// Energy including the data centre's overhead (PUE) and the bytes that leave or enter the
    /// region for the run, in kWh.
    pub fn energy_kwh(&self, region: RegionPower, network_bytes: f64) -> f64 {
        let network_kwh = network_bytes.max(0.0) / BYTES_PER_GB * NETWORK_KWH_PER_GB;
        self.machine_kwh * region.pue + network_kwh
    }

    /// Operational and embodied gas of the run.
    pub fn footprint(&self, region: RegionPower, network_bytes: f64) -> GramsCo2e {
        let operational = self.energy_kwh(region, network_bytes) * region.intensity;
        GramsCo2e::new(operational) + self.embodied
    }
}

/// Memory kept for one invocation, in MB: what is configured, or what is billed where several
/// invocations share an instance.
fn reserved_megabytes(platform: &Platform, size: &Size, memory_used_mb: f64) -> f64 {
    match platform.processors {
        Processors::OfSize => f64::from(size.memory_mb),
        Processors::Shared { .. } => billed_megabytes(platform, size, memory_used_mb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::test_catalogue::{CLOUD, test_catalogue};

    const RUN: Run = Run { duration_ms: 1000.0, cpu_share: 1.0, memory_used_mb: 100.0 };

    #[test]
    fn one_busy_second_by_hand() {
        // 1769 MB would be one vCPU; 2048 MB is 1.1577. Idle 0.8567 W, busy 2.76 W, memory 2 GB:
        // 0.784 W.
        let catalogue = test_catalogue();
        let platform = catalogue.find_platform(CLOUD).map(|id| catalogue.platform(id));
        let platform = platform.unwrap_or_else(|| panic!("{CLOUD}"));
        let region = catalogue.regions().next().map(|(_, region)| region);
        let region = region.unwrap_or_else(|| panic!("no region"));
        let region = RegionPower::of(region, UtcTime::from_unix_seconds(0));
        let watts = 2048.0 / 1769.0 * 0.74 + 2.76 + 2.0 * 0.392;
        let expected = watts / 1000.0 / 3600.0 * 1.135;
        let spent = Spent::new(platform, &platform.size(2048), RUN);
        assert!((spent.energy_kwh(region, 0.0) / expected - 1.0).abs() < 1e-12);
        let embodied_g = 0.5 / 3600.0 * 2048.0 / 1769.0;
        assert!((spent.embodied().get() / embodied_g - 1.0).abs() < 1e-12);
        let total = spent.footprint(region, 0.0).get();
        assert!((total / (expected * 400.0 + embodied_g) - 1.0).abs() < 1e-12);
        let idle = Spent::new(platform, &platform.size(128), Run { duration_ms: 0.0, ..RUN });
        assert_eq!(idle.energy_kwh(region, 1e9), 0.001);
    }
}
