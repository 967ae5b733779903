//! How long a function runs on another placement than the one it was observed on.
//!
//! A run is split into a part that waits for the processor and a part that waits for everything
//! else (storage, other services). Each part is stretched by a factor of the platform and memory
//! size. Both factors are 1 on an AWS Lambda function of 2048 MB, which has more than one whole
//! vCPU. The shares are fitted to the warm runs of SeBS (Copik et al., "SeBS: A Serverless
//! Benchmark Suite for Function-as-a-Service Computing", Middleware 2021; its artifact, doi
//! 10.5281/zenodo.5209001, experiment `perf-cost`, medians of the time inside the function, 200 to
//! 650 runs each).

use super::price::billed_megabytes;
use crate::catalogue::{Platform, Processors, Size, Speed};

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

impl Speed {
    /// Length of a run that takes 1 at full speed, `cpu_share` of it on the processor.
    fn stretch(self, cpu_share: f64) -> f64 {
        self.cpu * cpu_share + self.wait * (1.0 - cpu_share)
    }

    /// How many times longer a run takes here than at the speed `reference`; 1 for the same speed.
    ///
    /// `cpu_share` is the share of the run at full speed that waits for the processor, clamped to 0
    /// to 1.
    pub fn run_time_factor(self, reference: Self, cpu_share: f64) -> f64 {
        let cpu_share = clamp_share(cpu_share);
        self.stretch(cpu_share) / reference.stretch(cpu_share)
    }

    /// Share of a run's time in which it keeps a processor busy, 0 to 1.
    pub fn busy_share(self, cpu_share: f64) -> f64 {
        let cpu_share = clamp_share(cpu_share);
        self.cpu * cpu_share / self.stretch(cpu_share)
    }
}

/// Processors given to one running invocation, in vCPUs. Where several invocations share an
/// instance of one core, the share that goes with the memory that is billed.
pub fn allotted_vcpus(platform: &Platform, size: &Size, memory_used_mb: f64) -> f64 {
    match platform.processors {
        Processors::OfSize => size.vcpus,
        Processors::Shared { instance_mb } => {
            billed_megabytes(platform, size, memory_used_mb) / instance_mb
        }
    }
}

/// Processors that a busy invocation can use, in vCPUs: one thread never uses more than one, and on
/// a shared instance it may use the whole core.
pub fn usable_vcpus(platform: &Platform, size: &Size) -> f64 {
    match platform.processors {
        Processors::Shared { .. } => 1.0,
        Processors::OfSize => size.vcpus.min(1.0),
    }
}

/// Processors of the instance that one running invocation is on, in vCPUs.
pub fn instance_vcpus(platform: &Platform, size: &Size) -> f64 {
    match platform.processors {
        Processors::Shared { .. } => 1.0,
        Processors::OfSize => size.vcpus,
    }
}

/// Whether a function that uses `memory_used_mb` can run in `memory_mb`.
pub fn fits(memory_mb: u32, memory_used_mb: f64) -> bool {
    memory_used_mb <= f64::from(memory_mb)
}

fn clamp_share(share: f64) -> f64 {
    if share.is_nan() { TYPICAL_CPU_SHARE } else { share.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Speed = Speed { cpu: 14.32, wait: 1.0 };
    const FAST: Speed = Speed { cpu: 1.0, wait: 1.0 };
    const ELSEWHERE: Speed = Speed { cpu: 1.19, wait: 3.5 };

    #[test]
    fn computation_is_stretched_by_the_processor_and_waiting_by_the_platform() {
        assert_eq!(SLOW.run_time_factor(FAST, 1.0), 14.32);
        assert_eq!(SLOW.run_time_factor(FAST, 0.0), 1.0);
        assert_eq!(ELSEWHERE.run_time_factor(FAST, 0.0), 3.5);
        assert_eq!(SLOW.run_time_factor(SLOW, 0.3), 1.0);
    }

    #[test]
    fn the_busy_share_is_a_share() {
        for step in 0..=10 {
            let share = f64::from(step) / 10.0;
            assert!((0.0..=1.0).contains(&ELSEWHERE.busy_share(share)));
        }
        assert_eq!(FAST.busy_share(f64::NAN), FAST.busy_share(TYPICAL_CPU_SHARE));
    }

    #[test]
    fn too_little_memory_does_not_fit() {
        assert!(fits(128, 128.0) && !fits(128, 129.0) && !fits(3008, f64::NAN));
    }
}
