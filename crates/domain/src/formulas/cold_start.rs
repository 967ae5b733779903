//! How often an invocation meets no warm instance, and what that costs in time.
//!
//! Both figures are from Mikhail Shilkov's measurements of 2021 ("Cold Starts in AWS Lambda", "...
//! in Azure Functions", "... in Google Cloud Functions"; data in `mikhailshilkov/mikhailio-hugo`,
//! `data/coldstart_*`). Instances started because several invocations overlap are not counted.

use super::scaling;
use crate::{
    calls::CallPattern,
    placement::{Placement, Provider},
};

/// The share of instances that the provider removes after that many idle minutes.
struct Eviction {
    idle_minutes: f64,
    share: f64,
}

const fn evict(idle_minutes: f64, share: f64) -> Eviction {
    Eviction { idle_minutes, share }
}

// `coldstart_{aws,azure,gcp}_interval.json`: probability of a cold start after whole minutes of
// idling, made non-decreasing by pooling (isotonic regression; only Azure needed it). Each step up
// between two minutes is put at the later one. What Azure still kept warm after the last measured
// hour (2.5 %) is taken to be gone by then.
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
    /// Its 1/6, 1/2 and 5/6 quantiles in ms, log-normal through the median and the 95th percentile:
    /// the middles of three equal parts of the starts.
    pub sixths_ms: [f64; 3],
}

// Single cold starts of `data/raw/*.json`: means of the JavaScript and the Python row, small
// packages. AWS 686 and 678 samples, Azure 117 and 174, GCP 145 and 124. They barely depend on
// memory (`coldstart_*_bymemory.json`; also `maxday/lambda-perf`, 2023 to 2026).
const AWS_START_DELAY: StartDelay = StartDelay {
    mean_ms: 265.0,
    median_ms: 240.0,
    p95_ms: 445.0,
    sixths_ms: [166.9, 240.0, 345.1],
};
const AZURE_START_DELAY: StartDelay = StartDelay {
    mean_ms: 2810.0,
    median_ms: 1436.0,
    p95_ms: 7720.0,
    sixths_ms: [534.0, 1436.0, 3861.7],
};
const GCP_START_DELAY: StartDelay = StartDelay {
    mean_ms: 955.0,
    median_ms: 886.0,
    p95_ms: 1361.0,
    sixths_ms: [688.3, 886.0, 1140.5],
};

/// Processor time at full speed to load the function's own code, in ms: cold minus warm time inside
/// SeBS's graph BFS (Python) on AWS at 2048 MB. At 128 MB it is 1461 ms, 14 times as much, as the
/// processor share says.
const LOAD_MS: f64 = 103.0;

/// Probability that the next invocation is cold after `idle_minutes` without any.
pub fn probability_after_idle(provider: Provider, idle_minutes: f64) -> f64 {
    let gone = |e: &&Eviction| idle_minutes >= e.idle_minutes;
    evictions(provider).iter().filter(gone).map(|e| e.share).sum::<f64>().min(1.0)
}

/// Probability that an invocation is cold when `rate_per_min` arrive at random (Poisson): for each
/// eviction time, the probability `exp(-rate * time)` of a longer gap. 1 when the function is never
/// invoked.
pub fn probability_at_rate(provider: Provider, rate_per_min: f64) -> f64 {
    probability_from_idle(provider, rate_per_min, 0.0)
}

/// The same for the next invocation when `idle_minutes` have passed since the last one.
fn probability_from_idle(provider: Provider, rate_per_min: f64, idle_minutes: f64) -> f64 {
    let rate = rate_per_min.max(0.0);
    let left = |e: &Eviction| (e.idle_minutes - idle_minutes.max(0.0)).max(0.0);
    evictions(provider).iter().map(|e| e.share * (-rate * left(e)).exp()).sum::<f64>().min(1.0)
}

/// Minutes of idling after which more than half of the instances of `provider` are gone: how long a
/// platform that watches one instance takes it to be warm.
pub fn keep_alive_minutes(provider: Provider) -> f64 {
    match provider {
        Provider::Aws => 7.0,
        Provider::Azure => 22.0,
        Provider::Gcp => 16.0,
    }
}

/// How likely the coming invocations of a function that stays where it is are to be cold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Chance {
    /// Probability that the next one is cold, given the idle time so far.
    pub first: f64,
    /// Mean probability over all of them.
    pub share: f64,
}

/// Weight of the rate alone, as a number of gaps that are added to those that were seen. Of 0.25,
/// 0.5, 1, 2 and 4 the best on validation functions.
const SUPPOSED_GAPS: f64 = 2.0;
const SECONDS_PER_MINUTE: f64 = 60.0;

impl Chance {
    /// The chance on `provider` over the next `calls` invocations (at least the next one counts).
    ///
    /// Future gaps are assumed to be like the latest ones, and the current gap like those of them
    /// that are at least as long. So a timer whose period is shorter than the provider's keep-alive
    /// is expected to be warm and one with a longer period cold, which the rate alone would not
    /// tell. The fewer gaps are known, the more the rate counts, with calls at random (Poisson).
    pub fn expected(provider: Provider, pattern: &CallPattern, calls: f64) -> Self {
        let rate = pattern.rate_per_min;
        let after = |seconds: f64| probability_after_idle(provider, seconds / SECONDS_PER_MINUTE);
        let (mut seen, mut total) = (0.0, SUPPOSED_GAPS * probability_at_rate(provider, rate));
        for gap in pattern.gaps.seconds() {
            seen += 1.0;
            total += after(gap);
        }
        let any = total / (seen + SUPPOSED_GAPS);
        let Some(idle) = pattern.idle_seconds else {
            return Self { first: any, share: any };
        };
        let idle_minutes = idle / SECONDS_PER_MINUTE;
        let (mut longer, mut total) =
            (0.0, SUPPOSED_GAPS * probability_from_idle(provider, rate, idle_minutes));
        for gap in pattern.gaps.seconds().filter(|gap| *gap >= idle) {
            longer += 1.0;
            total += after(gap);
        }
        let first = total / (longer + SUPPOSED_GAPS);
        Self { first, share: any + (first - any) / calls.max(1.0) }
    }

    /// The same on each provider, by [`Provider::index`].
    pub fn by_provider(pattern: &CallPattern, calls: f64) -> [Self; Provider::COUNT] {
        Provider::ALL.map(|provider| Self::expected(provider, pattern, calls))
    }
}

/// Time to get an instance from `provider`.
pub fn start_delay(provider: Provider) -> StartDelay {
    match provider {
        Provider::Aws => AWS_START_DELAY,
        Provider::Azure => AZURE_START_DELAY,
        Provider::Gcp => GCP_START_DELAY,
    }
}

/// Time in ms to load the function's code on `placement`; it is billed, and slow where processors
/// are slow.
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
    use crate::{
        formulas::run_times::Z95,
        placement::{MemoryTier, Region},
    };

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
    fn half_of_the_instances_are_gone_after_the_keep_alive() {
        for provider in Provider::ALL {
            let minutes = keep_alive_minutes(provider);
            assert!(probability_after_idle(provider, minutes) >= 0.5 - 1e-3, "{provider}");
            assert!(probability_after_idle(provider, minutes - 1.0) < 0.5, "{provider}");
        }
    }

    #[test]
    fn a_timer_is_warm_where_its_period_is_shorter_than_the_keep_alive() {
        let pattern = CallPattern {
            rate_per_min: 0.1,
            idle_seconds: Some(300.0),
            gaps: [600.0; 16].into_iter().collect(),
        };
        let chance = |provider| Chance::expected(provider, &pattern, 2.5);
        assert!(chance(Provider::Aws).share > 0.95 && chance(Provider::Aws).first > 0.95);
        assert!(chance(Provider::Gcp).share < 0.05 && chance(Provider::Gcp).first < 0.05);
    }

    #[test]
    fn with_nothing_but_a_rate_calls_are_random() {
        for provider in Provider::ALL {
            let chance = Chance::expected(provider, &CallPattern::at_rate(0.1), 5.0);
            let random = probability_at_rate(provider, 0.1);
            assert!((chance.share - random).abs() < 1e-12 && chance.first == chance.share);
        }
    }

    #[test]
    fn the_gap_under_way_decides_about_the_next_call_only() {
        // Bursts of ten calls every half hour, idle for twenty minutes: the next call is cold on
        // AWS and GCP, those after it are not.
        let burst = |n: usize| if n % 10 == 9 { 1800.0 } else { 0.1 };
        let gaps = (0..16).map(burst).collect();
        let pattern = CallPattern { rate_per_min: 0.33, idle_seconds: Some(1200.0), gaps };
        let chance = Chance::expected(Provider::Aws, &pattern, 8.0);
        assert!(chance.first > 0.99, "{chance:?}");
        assert!((0.1..0.3).contains(&chance.share), "{chance:?}");
    }

    #[test]
    fn a_cold_start_hurts_least_on_aws_and_most_where_processors_are_slow() {
        let at = |provider, memory| Placement { provider, region: Region::UsEast, memory };
        assert!((mean_ms(at(Provider::Aws, MemoryTier::Mb2048)) - 368.0).abs() < 1e-9);
        assert!(mean_ms(at(Provider::Aws, MemoryTier::Mb128)) > 1700.0);
        assert!(mean_ms(at(Provider::Azure, MemoryTier::Mb128)) > 2900.0);
    }

    #[test]
    fn the_sixths_of_a_start_delay_are_those_of_its_log_normal() {
        const SIXTH: f64 = 0.967_422; // the 5/6 quantile of the standard normal distribution
        for provider in Provider::ALL {
            let start = start_delay(provider);
            let spread = (start.p95_ms / start.median_ms).powf(SIXTH / Z95);
            let expected = [start.median_ms / spread, start.median_ms, start.median_ms * spread];
            for (given, expected) in start.sixths_ms.iter().zip(expected) {
                assert!((given / expected - 1.0).abs() < 1e-3, "{provider}: {given}");
            }
        }
    }
}
