//! What is known of a function's calls beyond its last twelve steps.

use strata_domain::RecentGaps;

use super::step::{STEP_SECONDS, Step, WINDOW_STEPS};

/// When a function was called lately, and what it used then.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CallHistory {
    /// Seconds since its last invocation; `None` when unknown.
    pub idle_seconds: Option<f64>,
    /// Times between its latest invocations; empty when unknown.
    pub gaps: RecentGaps,
    /// Mean over its latest steps with an invocation; `None` when unknown.
    pub busy: Option<Step>,
    /// Mean time that an invocation runs, in seconds; `None` when unknown.
    pub run_seconds: Option<f64>,
    /// 95th percentile of the same; `None` when unknown.
    pub long_run_seconds: Option<f64>,
}

impl CallHistory {
    /// How many steps with an invocation `busy` is the mean of.
    pub const BUSY_STEPS: usize = 8;
}

/// A [`CallHistory`] whose unknown values are estimated from the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    pub(super) idle_seconds: f64,
    pub(super) last_gap: f64,
    pub(super) mean_gap: f64,
    /// Standard deviation of the gaps over their mean.
    pub(super) gap_variation: f64,
    /// Probability of a call in the next step.
    pub(super) probability: f64,
    /// The same where gaps may be one step shorter or longer than they were.
    pub(super) probability_near: f64,
    pub(super) busy: Step,
    pub(super) run_seconds: f64,
    pub(super) long_run_seconds: f64,
}

const STEP: f64 = STEP_SECONDS as f64;
/// Longer times, in seconds, count as this long.
const DAY_SECONDS: f64 = 86_400.0;
/// Weight of the mean gap alone, as a number of gaps that are added to those that were seen.
const SUPPOSED_GAPS: f64 = 1.0;

impl Calls {
    pub(super) fn new(history: &CallHistory, window: &[Step; WINDOW_STEPS]) -> Self {
        let called = || window.iter().filter(|step| step.request_rate > 0.0);
        let last = window.iter().rposition(|step| step.request_rate > 0.0);
        let shown = last.map_or(WINDOW_STEPS + 1, |last| WINDOW_STEPS - last) as f64 * STEP;
        let idle_seconds = history.idle_seconds.unwrap_or(shown);
        let gaps = &history.gaps;
        let count = gaps.as_slice().len() as f64;
        let mean_gap = if count > 0.0 {
            gaps.seconds().sum::<f64>() / count
        } else {
            let calls: f64 = called().map(|step| step.request_rate * STEP).sum();
            WINDOW_STEPS as f64 * STEP / calls.max(f64::MIN_POSITIVE)
        };
        let variance = gaps.seconds().map(|gap| (gap - mean_gap).powi(2)).sum::<f64>();
        let gap_variation = (variance / count.max(1.0)).sqrt() / mean_gap.max(f64::MIN_POSITIVE);
        // A gap that is longer than they were on average already says that the function is called
        // more seldom now.
        let random = 1.0 - (-STEP / mean_gap.max(idle_seconds).max(f64::MIN_POSITIVE)).exp();
        let due = |early: f64, late: f64| {
            let left = idle_seconds - early;
            let longer = gaps.seconds().filter(|gap| *gap >= left).count() as f64;
            let now = gaps.seconds().filter(|gap| (left..idle_seconds + late).contains(gap));
            (now.count() as f64 + SUPPOSED_GAPS * random) / (longer + SUPPOSED_GAPS)
        };
        let run_seconds = history.run_seconds.unwrap_or_default();
        let busy = history.busy.unwrap_or_else(|| Step::mean(called()));
        Self {
            idle_seconds,
            last_gap: gaps.seconds().last().unwrap_or(mean_gap).min(DAY_SECONDS),
            mean_gap: mean_gap.min(DAY_SECONDS),
            gap_variation,
            probability: due(0.0, STEP),
            probability_near: due(STEP, 2.0 * STEP),
            busy,
            run_seconds,
            long_run_seconds: history.long_run_seconds.unwrap_or(run_seconds).max(run_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called_at(steps: &[usize]) -> [Step; WINDOW_STEPS] {
        std::array::from_fn(|index| Step {
            request_rate: f64::from(u8::from(steps.contains(&index))) / STEP,
            memory_util: 0.5,
            ..Step::default()
        })
    }

    #[test]
    fn a_timer_is_due_when_its_period_is_over_and_not_before() {
        let at = |idle: f64| CallHistory {
            idle_seconds: Some(idle),
            gaps: [600.0; 16].into_iter().collect(),
            ..CallHistory::default()
        };
        let window = called_at(&[]);
        let probability = |idle| Calls::new(&at(idle), &window).probability;
        assert!(probability(600.0) > 0.9 && probability(300.0) < 0.05);
        assert!(Calls::new(&at(615.0), &window).probability_near > 0.9);
        assert!(Calls::new(&at(600.0), &window).gap_variation < 1e-9);
    }

    #[test]
    fn a_burst_long_ago_is_not_taken_for_one_that_goes_on() {
        let burst = CallHistory {
            idle_seconds: Some(1800.0),
            gaps: [0.75; 16].into_iter().collect(),
            ..CallHistory::default()
        };
        assert!(Calls::new(&burst, &called_at(&[])).probability < 0.01);
    }

    #[test]
    fn a_weekly_timer_is_as_regular_as_any() {
        let week = CallHistory {
            gaps: [7.0 * DAY_SECONDS; 4].into_iter().collect(),
            ..CallHistory::default()
        };
        let calls = Calls::new(&week, &called_at(&[]));
        assert!(calls.gap_variation < 1e-6 && calls.mean_gap == DAY_SECONDS);
    }

    #[test]
    fn without_a_history_the_window_says_what_it_can() {
        let calls = Calls::new(&CallHistory::default(), &called_at(&[3, 9]));
        assert_eq!((calls.idle_seconds, calls.mean_gap, calls.last_gap), (45.0, 90.0, 90.0));
        assert!((calls.busy.request_rate * STEP - 1.0).abs() < 1e-12);
        assert!((calls.probability - (1.0 - (-1.0f64 / 6.0).exp())).abs() < 1e-12);
        let never = Calls::new(&CallHistory::default(), &called_at(&[]));
        assert_eq!((never.idle_seconds, never.mean_gap), (195.0, DAY_SECONDS));
        assert!(never.probability < 1e-3 && never.busy == Step::default());
    }
}
