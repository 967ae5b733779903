//! How often an invocation meets no warm instance, and what that costs in time.
//!
//! Both figures are from Mikhail Shilkov's measurements of 2021 ("Cold Starts in AWS Lambda", "... in Azure Functions", "... in Google Cloud
//! Functions"; data in `mikhailshilkov/mikhailio-hugo`, `data/coldstart_*`). Instances started because several invocations
//! overlap are not counted.

use crate::{Placement, Provider, scaling};

/// A share of instances that is gone once a function was idle for that many minutes.
struct Eviction {
    idle_minutes: f64,
    share: f64,
}

const fn evict(idle_minutes: f64, share: f64) -> Eviction {
    Eviction { idle_minutes, share }
}

// `coldstart_{aws,azure,gcp}_interval.json`: probability of a cold start after whole minutes of idling, made non-decreasing by pooling
// (isotonic regression; only Azure needed it). Each step up between two minutes is put at the later one. What Azure still kept warm
// after the last measured hour (2.5 %) is taken to be gone by then.
const AWS_EVICTIONS: [Eviction; 3] = [evict(4.0, 0.003), evict(6.0, 0.403), evict(7.0, 0.594)];
const GCP_EVICTIONS: [Eviction; 1] = [evict(16.0, 1.0)];
const AZURE_EVICTIONS: [Eviction; 12] = [
    evict(2.0, 0.08),
    evict(8.0, 0.03),
    evict(12.0, 0.053),
    evict(13.0, 0.042),
    evict(17.0, 0.008),
    evict(21.0, 0.195),
    evict(22.0, 0.092),
    evict(23.0, 0.261),
    evict(24.0, 0.024),
    evict(26.0, 0.034),
    evict(28.0, 0.091),
    evict(30.0, 0.09),
];

/// Time to get an instance, before any of the function's own code runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StartDelay {
    /// Mean in ms.
    pub mean_ms: f64,
    /// Median in ms.
    pub median_ms: f64,
    /// 95th percentile in ms.
    pub p95_ms: f64,
}

// Single cold starts of `data/raw/*.json`: means of the JavaScript and the Python row, small packages. AWS 686 and 678 samples, Azure
// 117 and 174, GCP 145 and 124. They barely depend on memory (`coldstart_*_bymemory.json`; also `maxday/lambda-perf`, 2023 to 2026).
const START_DELAYS: [StartDelay; 3] = [
    StartDelay { mean_ms: 265.0, median_ms: 240.0, p95_ms: 445.0 },
    StartDelay { mean_ms: 2810.0, median_ms: 1436.0, p95_ms: 7720.0 },
    StartDelay { mean_ms: 955.0, median_ms: 886.0, p95_ms: 1361.0 },
];

/// Processor time at full speed to load the function's own code, in ms: cold minus warm time inside SeBS's graph BFS (Python) on AWS at
/// 2048 MB. At 128 MB it is 1461 ms, 14 times as much, as the processor share says.
const LOAD_MS: f64 = 103.0;

/// Probability that the next invocation is cold after `idle_minutes` without any.
pub fn probability_after_idle(provider: Provider, idle_minutes: f64) -> f64 {
    let gone = |e: &&Eviction| idle_minutes >= e.idle_minutes;
    evictions(provider).iter().filter(gone).map(|e| e.share).sum::<f64>().min(1.0)
}

/// Probability that an invocation is cold when `rate_per_min` arrive at random (Poisson): for each eviction time, the
/// probability `exp(-rate * time)` of a longer gap. 1 when the function is never invoked.
pub fn probability_at_rate(provider: Provider, rate_per_min: f64) -> f64 {
    let rate = rate_per_min.max(0.0);
    evictions(provider)
        .iter()
        .map(|e| e.share * (-rate * e.idle_minutes).exp())
        .sum::<f64>()
        .min(1.0)
}

/// Time to get an instance from `provider`.
pub fn start_delay(provider: Provider) -> StartDelay {
    START_DELAYS[provider.index()]
}

/// Time in ms to load the function's code on `placement`; it is billed, and slow where processors are slow.
pub fn load_ms(placement: Placement) -> f64 {
    LOAD_MS * scaling::cpu_slowdown(placement)
}

/// Mean time in ms a cold start adds to an invocation on `placement`.
pub fn mean_ms(placement: Placement) -> f64 {
    start_delay(placement.provider).mean_ms + load_ms(placement)
}

const fn evictions(provider: Provider) -> &'static [Eviction] {
    match provider {
        Provider::Aws => &AWS_EVICTIONS,
        Provider::Azure => &AZURE_EVICTIONS,
        Provider::Gcp => &GCP_EVICTIONS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryTier, Region};

    #[test]
    fn shares_of_evictions_are_whole_and_follow_the_measurements() {
        for provider in Provider::ALL {
            let whole: f64 = evictions(provider).iter().map(|e| e.share).sum();
            assert!((whole - 1.0).abs() < 1e-9, "{provider}: {whole}");
        }
        let after = probability_after_idle;
        assert_eq!(after(Provider::Aws, 3.0), 0.0);
        assert!((after(Provider::Aws, 6.0) - 0.4061).abs() < 1e-3);
        assert!((after(Provider::Aws, 7.0) - 1.0).abs() < 1e-9);
        assert_eq!((after(Provider::Gcp, 15.0), after(Provider::Gcp, 16.0)), (0.0, 1.0));
        // Measured at 13, 22 and 26 minutes: 0.2047, 0.5, 0.8191.
        for (minutes, measured) in [(13.0, 0.2047), (22.0, 0.5), (26.0, 0.8191)] {
            assert!((after(Provider::Azure, minutes) - measured).abs() < 0.01, "{minutes}");
        }
    }

    #[test]
    fn seldom_called_functions_start_cold_and_busy_ones_do_not() {
        for provider in Provider::ALL {
            assert_eq!(probability_at_rate(provider, 0.0), 1.0);
            assert!(probability_at_rate(provider, 1.0 / 600.0) > 0.95);
            assert!(probability_at_rate(provider, 60.0) < 1e-9);
        }
        // One call in ten minutes: exp(-0.6) and exp(-0.7) on AWS, exp(-1.6) on GCP.
        let aws = 0.003 * (-0.4f64).exp() + 0.403 * (-0.6f64).exp() + 0.594 * (-0.7f64).exp();
        assert!((probability_at_rate(Provider::Aws, 0.1) - aws).abs() < 1e-12);
        assert!((probability_at_rate(Provider::Gcp, 0.1) - (-1.6f64).exp()).abs() < 1e-12);
    }

    #[test]
    fn a_cold_start_hurts_least_on_aws_and_most_where_processors_are_slow() {
        let at = |provider, memory| Placement { provider, region: Region::UsEast, memory };
        assert!((mean_ms(at(Provider::Aws, MemoryTier::Mb2048)) - 368.0).abs() < 1e-9);
        assert!(mean_ms(at(Provider::Aws, MemoryTier::Mb128)) > 1700.0);
        assert!(mean_ms(at(Provider::Azure, MemoryTier::Mb128)) > 2900.0);
    }
}
