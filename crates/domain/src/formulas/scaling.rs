//! How long a function runs on another placement than the one it was observed on.
//!
//! A run is split into a part that waits for the processor and a part that waits for everything
//! else (storage, other services). Each part is stretched by a factor of the provider and memory
//! size. Both factors are 1 on an AWS Lambda function of 2048 MB, which has more than one whole
//! vCPU, and are fitted to the warm runs of SeBS (Copik et al., "SeBS: A Serverless Benchmark Suite
//! for Function-as-a-Service Computing", Middleware 2021; its artifact, doi 10.5281/zenodo.5209001,
//! experiment `perf-cost`, medians of the time inside the function, 200 to 650 runs each).

use super::instances::{AZURE_INSTANCE_MB, GCP_GHZ, azure_billed_megabytes};
use crate::placement::{MemoryTier, Placement, Provider};

/// Share of a run at full speed that waits for the processor, for a function of which nothing is
/// known.
///
/// The mean over the six benchmarks of SeBS in [`BENCHMARK_CPU_SHARES`].
pub const TYPICAL_CPU_SHARE: f64 = 0.58;

/// Share of a run at full speed that waits for the processor, for six real functions: uploader,
/// compression, thumbnailer (Python), thumbnailer (Node.js), graph BFS, image recognition.
///
/// Least squares of SeBS's AWS medians over memory sizes on `cpu * slowdown(memory) + wait`; the
/// last two have no wait.
pub const BENCHMARK_CPU_SHARES: [f64; 6] = [0.28, 0.32, 0.39, 0.50, 1.0, 1.0];

/// Stretch of the processor's part on one provider, by memory tier: SeBS's graph BFS, which does
/// nothing but compute, over its median on AWS at 2048 MB (60.5 ms).
///
/// AWS and GCP give processor time in proportion to memory up to a plateau. Azure's consumption
/// plan has one machine size, so its tiers differ in nothing but the limit. GCP has no 3008 MB: the
/// next size up, 4096 MB, is taken to be as fast as 2048 MB, because one thread cannot use the
/// second core.
type CpuSlowdown = [f64; MemoryTier::COUNT];

const AWS_CPU_SLOWDOWN: CpuSlowdown = [14.32, 7.03, 3.36, 1.63, 1.00, 0.99];
const AZURE_CPU_SLOWDOWN: CpuSlowdown = [1.48; MemoryTier::COUNT];
const GCP_CPU_SLOWDOWN: CpuSlowdown = [15.01, 6.67, 2.74, 1.29, 1.19, 1.19];

/// Memory at which Lambda gives one whole vCPU (AWS, "Configure Lambda function memory").
const AWS_MB_PER_VCPU: f64 = 1769.0;

/// The clock rate GCP counts as one vCPU, in GHz (same source as `GCP_GHZ`).
const GCP_GHZ_PER_VCPU: f64 = 2.4;

/// What `placement` does to a run: the factors of its two parts.
#[derive(Debug, Clone, Copy)]
struct Speed {
    cpu: f64,
    wait: f64,
}

impl Speed {
    const fn of(placement: Placement) -> Self {
        let tier = placement.memory.index();
        // Waiting: median over SeBS's compression, thumbnailer and uploader of the fitted wait over
        // that on AWS. GCP's 3.5 holds its sandbox and its storage client of 2020.
        match placement.provider {
            Provider::Aws => Self { cpu: AWS_CPU_SLOWDOWN[tier], wait: 1.0 },
            Provider::Azure => Self { cpu: AZURE_CPU_SLOWDOWN[tier], wait: 1.48 },
            Provider::Gcp => Self { cpu: GCP_CPU_SLOWDOWN[tier], wait: 3.5 },
        }
    }

    /// Length of a run that takes 1 at full speed, `cpu_share` of it on the processor.
    fn stretch(self, cpu_share: f64) -> f64 {
        self.cpu * cpu_share + self.wait * (1.0 - cpu_share)
    }
}

/// How many times longer a run takes on `placement` than on `reference`; 1 for the same placement.
///
/// `cpu_share` is the share of the run at full speed that waits for the processor, clamped to 0 to
/// 1.
pub fn run_time_factor(reference: Placement, placement: Placement, cpu_share: f64) -> f64 {
    let cpu_share = clamp_share(cpu_share);
    Speed::of(placement).stretch(cpu_share) / Speed::of(reference).stretch(cpu_share)
}

/// Stretch of pure computation on `placement`: 1 at full speed, 14 on AWS at 128 MB.
pub fn cpu_slowdown(placement: Placement) -> f64 {
    Speed::of(placement).cpu
}

/// Share of a run's time on `placement` in which it keeps a processor busy, 0 to 1.
pub fn busy_share(placement: Placement, cpu_share: f64) -> f64 {
    let cpu_share = clamp_share(cpu_share);
    let speed = Speed::of(placement);
    speed.cpu * cpu_share / speed.stretch(cpu_share)
}

/// Processors given to one running invocation, in vCPUs.
///
/// On Azure, where an instance of one core serves several invocations at once, the share that goes
/// with the memory that is billed.
pub fn allotted_vcpus(placement: Placement, memory_used_mb: f64) -> f64 {
    match placement.provider {
        Provider::Aws => f64::from(placement.memory.megabytes()) / AWS_MB_PER_VCPU,
        Provider::Azure => azure_billed_megabytes(memory_used_mb) / AZURE_INSTANCE_MB,
        Provider::Gcp => GCP_GHZ[placement.memory.index()] / GCP_GHZ_PER_VCPU,
    }
}

/// Processors that a busy invocation can use, in vCPUs: one thread never uses more than one, and on
/// Azure it may use the whole core of its instance.
pub fn usable_vcpus(placement: Placement, memory_used_mb: f64) -> f64 {
    match placement.provider {
        Provider::Azure => 1.0,
        Provider::Aws | Provider::Gcp => allotted_vcpus(placement, memory_used_mb).min(1.0),
    }
}

/// Whether a function that uses `memory_used_mb` can run on `placement` at all: the tier holds it,
/// and the provider sells the tier (Azure's consumption plan ends at 1536 MB).
pub fn fits(placement: Placement, memory_used_mb: f64) -> bool {
    is_offered(placement.provider, placement.memory)
        && memory_used_mb <= f64::from(placement.memory.megabytes())
}

/// Whether `provider` sells `memory`: Azure's consumption plan ends at 1536 MB, so it has neither
/// 2048 nor 3008 MB.
pub fn is_offered(provider: Provider, memory: MemoryTier) -> bool {
    match provider {
        Provider::Azure => f64::from(memory.megabytes()) <= AZURE_INSTANCE_MB,
        Provider::Aws | Provider::Gcp => true,
    }
}

fn clamp_share(share: f64) -> f64 {
    if share.is_nan() { TYPICAL_CPU_SHARE } else { share.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Region;

    fn at(provider: Provider, memory: MemoryTier) -> Placement {
        Placement { provider, region: Region::UsEast, memory }
    }

    #[test]
    fn pure_computation_scales_with_memory_on_aws_and_gcp_and_not_on_azure() {
        let factor = |p, from, to| run_time_factor(at(p, from), at(p, to), 1.0);
        let (small, large) = (MemoryTier::Mb256, MemoryTier::Mb1024);
        assert!((factor(Provider::Aws, large, small) - 7.03 / 1.63).abs() < 1e-12);
        assert!((factor(Provider::Gcp, large, small) - 6.67 / 1.29).abs() < 1e-12);
        assert_eq!(factor(Provider::Azure, large, small), 1.0);
    }

    #[test]
    fn waiting_does_not_care_about_memory() {
        let (small, large) = (MemoryTier::Mb128, MemoryTier::Mb3008);
        for provider in Provider::ALL {
            assert_eq!(run_time_factor(at(provider, small), at(provider, large), 0.0), 1.0);
        }
    }

    #[test]
    fn seb_medians_are_met_within_a_fifth() {
        // thumbnailer-python on AWS: 1017 ms at 128 MB, 153 ms at 2048 MB; uploader-python on GCP:
        // 4597 and 1143 ms.
        let aws = run_time_factor(
            at(Provider::Aws, MemoryTier::Mb2048),
            at(Provider::Aws, MemoryTier::Mb128),
            0.39,
        );
        assert!((aws / (1017.0 / 153.0) - 1.0).abs() < 0.2, "{aws}");
        let gcp = run_time_factor(
            at(Provider::Gcp, MemoryTier::Mb2048),
            at(Provider::Gcp, MemoryTier::Mb128),
            0.5,
        );
        assert!((gcp / (4597.0 / 1143.0) - 1.0).abs() < 0.2, "{gcp}");
    }

    #[test]
    fn more_memory_never_runs_slower_and_busy_share_stays_a_share() {
        for provider in Provider::ALL {
            for tiers in MemoryTier::ALL.windows(2) {
                for step in 0..=10 {
                    let share = f64::from(step) / 10.0;
                    let (small, large) = (at(provider, tiers[0]), at(provider, tiers[1]));
                    assert!(run_time_factor(small, large, share) <= 1.0);
                    assert!((0.0..=1.0).contains(&busy_share(small, share)));
                }
            }
        }
    }

    #[test]
    fn too_little_memory_does_not_fit_and_azure_ends_at_its_instance() {
        assert!(!fits(at(Provider::Aws, MemoryTier::Mb128), 129.0));
        assert!(fits(at(Provider::Aws, MemoryTier::Mb128), 128.0));
        assert!(fits(at(Provider::Azure, MemoryTier::Mb1024), 900.0));
        assert!(!fits(at(Provider::Azure, MemoryTier::Mb2048), 900.0));
        assert!(!fits(at(Provider::Gcp, MemoryTier::Mb3008), f64::NAN));
    }
}
