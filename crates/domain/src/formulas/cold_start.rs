//! How often an invocation meets no warm instance, and what that costs in time.
//!
//! Instances started because several invocations overlap are not counted.

use super::run_times::Z95;
use crate::{
    calls::CallPattern,
    catalogue::{Catalogue, Speed},
};

/// When a platform removes idle instances, and how long it takes to get a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdStarts {
    /// Shares of the instances and the idle time after which they are removed; together 1, in
    /// ascending order of time.
    pub evictions: Vec<Eviction>,
    /// Time to get an instance.
    pub start: StartDelay,
}

/// The share of instances that a platform removes after that many idle minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eviction {
    /// Minutes without an invocation.
    pub idle_minutes: f64,
    /// Share of the instances, 0 to 1.
    pub share: f64,
}

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

/// The 5/6 quantile of the standard normal distribution.
const FIVE_SIXTHS: f64 = 0.967_421_566_1;

impl StartDelay {
    /// A log-normal delay by its median and 95th percentile.
    pub fn new(mean_ms: f64, median_ms: f64, p95_ms: f64) -> Self {
        let spread = (p95_ms / median_ms).powf(FIVE_SIXTHS / Z95);
        let sixths_ms = [median_ms / spread, median_ms, median_ms * spread];
        Self { mean_ms, median_ms, p95_ms, sixths_ms }
    }
}

/// Processor time at full speed to load the function's own code, in ms: cold minus warm time inside
/// SeBS's graph BFS (Python) on AWS at 2048 MB. At 128 MB it is 1461 ms, 14 times as much, as the
/// processor share says.
const LOAD_MS: f64 = 103.0;

/// Time in ms to load the function's code where processors have that speed; it is billed, and slow
/// where they are slow.
pub fn load_ms(speed: Speed) -> f64 {
    LOAD_MS * speed.cpu
}

impl ColdStarts {
    /// Probability that the next invocation is cold after `idle_minutes` without any.
    pub fn probability_after_idle(&self, idle_minutes: f64) -> f64 {
        let gone = |e: &&Eviction| idle_minutes >= e.idle_minutes;
        self.evictions.iter().filter(gone).map(|e| e.share).sum::<f64>().min(1.0)
    }

    /// Probability that an invocation is cold when `rate_per_min` arrive at random (Poisson): for
    /// each eviction time, the probability `exp(-rate * time)` of a longer gap. 1 when the function
    /// is never invoked.
    pub fn probability_at_rate(&self, rate_per_min: f64) -> f64 {
        self.probability_from_idle(rate_per_min, 0.0)
    }

    /// The same for the next invocation when `idle_minutes` have passed since the last one.
    fn probability_from_idle(&self, rate_per_min: f64, idle_minutes: f64) -> f64 {
        let rate = rate_per_min.max(0.0);
        let left = |e: &Eviction| (e.idle_minutes - idle_minutes.max(0.0)).max(0.0);
        let cold = self.evictions.iter().map(|e| e.share * (-rate * left(e)).exp());
        cold.sum::<f64>().min(1.0)
    }

    /// Minutes of idling after which half of the instances are gone: how long a platform that
    /// watches one instance takes it to be warm.
    pub fn keep_alive_minutes(&self) -> f64 {
        // Shares are rounded to three decimals.
        const HALF: f64 = 0.5 - 1e-3;
        let mut gone = 0.0;
        for eviction in &self.evictions {
            gone += eviction.share;
            if gone >= HALF {
                return eviction.idle_minutes;
            }
        }
        f64::INFINITY
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
    /// The chance under `law` over the next `calls` invocations (at least the next one counts).
    ///
    /// Future gaps are assumed to be like the latest ones, and the current gap like those of them
    /// that are at least as long. So a timer whose period is shorter than the platform's keep-alive
    /// is expected to be warm and one with a longer period cold, which the rate alone would not
    /// tell. The fewer gaps are known, the more the rate counts, with calls at random (Poisson).
    pub fn expected(law: &ColdStarts, pattern: &CallPattern, calls: f64) -> Self {
        let rate = pattern.rate_per_min;
        let after = |seconds: f64| law.probability_after_idle(seconds / SECONDS_PER_MINUTE);
        let (mut seen, mut total) = (0.0, SUPPOSED_GAPS * law.probability_at_rate(rate));
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
            (0.0, SUPPOSED_GAPS * law.probability_from_idle(rate, idle_minutes));
        for gap in pattern.gaps.seconds().filter(|gap| *gap >= idle) {
            longer += 1.0;
            total += after(gap);
        }
        let first = total / (longer + SUPPOSED_GAPS);
        Self { first, share: any + (first - any) / calls.max(1.0) }
    }

    /// The same on each platform of a catalogue, in the order of its ids.
    pub fn by_platform(catalogue: &Catalogue, pattern: &CallPattern, calls: f64) -> Vec<Self> {
        let mut chances: Vec<Self> = Vec::with_capacity(catalogue.platforms().len());
        for (id, platform) in catalogue.platforms() {
            // Platforms of one provider often share a law: x86 and Arm on Lambda do.
            let law = &platform.cold_starts;
            let known = catalogue.platforms().take(id.index());
            let twin =
                known.into_iter().find(|(_, twin)| twin.cold_starts.evictions == law.evictions);
            let chance = match twin {
                Some((twin, _)) => chances[twin.index()],
                None => Self::expected(law, pattern, calls),
            };
            chances.push(chance);
        }
        chances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evict(idle_minutes: f64, share: f64) -> Eviction {
        Eviction { idle_minutes, share }
    }

    /// Removes instances after 6 and 7 minutes.
    fn early() -> ColdStarts {
        let evictions = vec![evict(4.0, 0.003), evict(6.0, 0.403), evict(7.0, 0.594)];
        ColdStarts { evictions, start: StartDelay::new(265.0, 240.0, 445.0) }
    }

    /// Removes instances after 16 minutes.
    fn late() -> ColdStarts {
        let evictions = vec![evict(16.0, 1.0)];
        ColdStarts { evictions, start: StartDelay::new(955.0, 886.0, 1361.0) }
    }

    #[test]
    fn instances_are_gone_after_their_evictions() {
        assert_eq!(early().probability_after_idle(3.0), 0.0);
        assert!((early().probability_after_idle(6.0) - 0.406).abs() < 1e-9);
        assert!((early().probability_after_idle(7.0) - 1.0).abs() < 1e-9);
        let after = |minutes| late().probability_after_idle(minutes);
        assert_eq!((after(15.0), after(16.0)), (0.0, 1.0));
        assert_eq!((early().keep_alive_minutes(), late().keep_alive_minutes()), (7.0, 16.0));
    }

    #[test]
    fn seldom_called_functions_start_cold_and_busy_ones_do_not() {
        for law in [early(), late()] {
            assert!((law.probability_at_rate(0.0) - 1.0).abs() < 1e-12);
            assert!(law.probability_at_rate(1.0 / 600.0) > 0.95);
            assert!(law.probability_at_rate(60.0) < 1e-9);
        }
        let expected = 0.003 * (-0.4f64).exp() + 0.403 * (-0.6f64).exp() + 0.594 * (-0.7f64).exp();
        assert!((early().probability_at_rate(0.1) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_timer_is_warm_where_its_period_is_shorter_than_the_keep_alive() {
        let pattern = CallPattern {
            rate_per_min: 0.1,
            idle_seconds: Some(300.0),
            gaps: [600.0; 16].into_iter().collect(),
        };
        let (cold, warm) = (early(), late());
        let chance = |law| Chance::expected(law, &pattern, 2.5);
        assert!(chance(&cold).share > 0.95 && chance(&cold).first > 0.95);
        assert!(chance(&warm).share < 0.05 && chance(&warm).first < 0.05);
    }

    #[test]
    fn with_nothing_but_a_rate_calls_are_random() {
        for law in [early(), late()] {
            let chance = Chance::expected(&law, &CallPattern::at_rate(0.1), 5.0);
            let random = law.probability_at_rate(0.1);
            assert!((chance.share - random).abs() < 1e-12 && chance.first == chance.share);
        }
    }

    #[test]
    fn the_gap_under_way_decides_about_the_next_call_only() {
        // Bursts of ten calls every half hour, idle for twenty minutes: the next call is cold,
        // those after it are not.
        let burst = |n: usize| if n % 10 == 9 { 1800.0 } else { 0.1 };
        let gaps = (0..16).map(burst).collect();
        let pattern = CallPattern { rate_per_min: 0.33, idle_seconds: Some(1200.0), gaps };
        let chance = Chance::expected(&early(), &pattern, 8.0);
        assert!(chance.first > 0.99, "{chance:?}");
        assert!((0.1..0.3).contains(&chance.share), "{chance:?}");
    }

    #[test]
    fn the_sixths_of_a_start_delay_are_quantiles_of_its_log_normal() {
        let [low, middle, high] = StartDelay::new(2810.0, 1436.0, 7720.0).sixths_ms;
        assert!((low - 534.0).abs() < 0.1 && (high - 3861.7).abs() < 0.5, "{low} {high}");
        assert_eq!(middle, 1436.0);
    }
}
