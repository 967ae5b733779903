//! What has been observed of a function so far.

use std::collections::VecDeque;

use strata_domain::{GramsCo2e, RecentGaps, Usd};
use strata_policy::operational::{CallHistory, STEP_SECONDS, Step};

use super::telemetry::Telemetry;

/// Moments of run times (Welford), in the unit they are given in.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct RunTimeMoments {
    count: f64,
    mean: f64,
    spread: f64,
    latest: f64,
}

impl RunTimeMoments {
    pub(crate) fn add(&mut self, run: f64) {
        self.count += 1.0;
        let step = run - self.mean;
        self.mean += step / self.count;
        self.spread += step * (run - self.mean);
        self.latest = run;
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    pub(crate) fn deviation(&self) -> f64 {
        (self.spread / self.count.max(1.0)).sqrt()
    }

    pub(crate) fn latest(&self) -> f64 {
        self.latest
    }
}

/// When a function was called lately, in the resolution of steps: the first call of a step counts
/// as made at its beginning, the others at even distances.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CallTimes {
    last_step: Option<usize>,
    gaps: RecentGaps,
}

impl CallTimes {
    /// Adds the calls of a step, which must be later than the ones before.
    pub(crate) fn add(&mut self, step: usize, calls: u32) {
        if calls == 0 {
            return;
        }
        if let Some(seconds) = self.idle_seconds(step) {
            self.gaps.push(seconds);
        }
        let within = STEP_SECONDS as f64 / f64::from(calls);
        let kept = (calls as usize - 1).min(RecentGaps::MOST);
        (0..kept).for_each(|_| self.gaps.push(within));
        self.last_step = Some(step);
    }

    /// Seconds from the last call to the beginning of `step`; `None` before the first call.
    pub(crate) fn idle_seconds(&self, step: usize) -> Option<f64> {
        self.last_step.map(|last| step.saturating_sub(last) as f64 * STEP_SECONDS as f64)
    }

    pub(crate) fn gaps(&self) -> RecentGaps {
        self.gaps
    }
}

/// When a function was called lately, and what it used in those steps.
#[derive(Debug, Clone)]
pub(crate) struct CallLog<'t> {
    telemetry: Telemetry<'t>,
    times: CallTimes,
    busy: VecDeque<Step>,
    /// In seconds, where the telemetry is measured.
    runs: RunTimeMoments,
}

/// 95th percentile of the standard normal distribution.
const Z95: f64 = 1.645;

impl<'t> CallLog<'t> {
    /// The log of a function that runs where this telemetry is measured.
    pub(crate) fn new(telemetry: Telemetry<'t>) -> Self {
        let busy = VecDeque::with_capacity(CallHistory::BUSY_STEPS);
        Self { telemetry, times: CallTimes::default(), busy, runs: RunTimeMoments::default() }
    }

    /// Adds a step, which must be later than the ones before.
    pub(crate) fn add(&mut self, number: usize, step: &Step) {
        let calls = (step.request_rate * STEP_SECONDS as f64).round();
        if calls <= 0.0 {
            return;
        }
        self.times.add(number, calls as u32);
        self.telemetry.run_seconds(number, calls as u32).for_each(|run| self.runs.add(run));
        if self.busy.len() == CallHistory::BUSY_STEPS {
            self.busy.pop_front();
        }
        self.busy.push_back(*step);
    }

    /// What is known when the step `now` begins.
    pub(crate) fn before(&self, now: usize) -> CallHistory {
        CallHistory {
            idle_seconds: self.times.idle_seconds(now),
            gaps: self.times.gaps(),
            busy: (!self.busy.is_empty()).then(|| Step::mean(self.busy.iter())),
            run_seconds: self.times.last_step.map(|_| self.runs.mean()),
            long_run_seconds: (self.times.last_step)
                .map(|_| self.runs.mean() + Z95 * self.runs.deviation()),
        }
    }
}

/// Sums over the past calls of a function, on whatever placements.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CallTotals {
    calls: f64,
    cost: f64,
    carbon: f64,
    cold: f64,
    violations: f64,
}

impl CallTotals {
    /// Adds `calls` calls with these means per call.
    pub(crate) fn add(&mut self, calls: u32, per_call: CallMeans) {
        let calls = f64::from(calls);
        self.calls += calls;
        self.cost += calls * per_call.cost.get();
        self.carbon += calls * per_call.carbon.get();
        self.cold += calls * per_call.cold_start_rate;
        self.violations += calls * per_call.sla_violation_rate;
    }

    /// Means per call; all 0 before the first.
    pub(crate) fn means(&self) -> CallMeans {
        let calls = self.calls.max(1.0);
        CallMeans {
            cost: Usd::new(self.cost / calls),
            carbon: GramsCo2e::new(self.carbon / calls),
            cold_start_rate: self.cold / calls,
            sla_violation_rate: self.violations / calls,
        }
    }
}

/// Means over some calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CallMeans {
    pub(crate) cost: Usd,
    pub(crate) carbon: GramsCo2e,
    pub(crate) cold_start_rate: f64,
    pub(crate) sla_violation_rate: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_values() {
        let mut runs = RunTimeMoments::default();
        assert_eq!((runs.mean(), runs.deviation()), (0.0, 0.0));
        for value in [2.0, 4.0, 9.0] {
            runs.add(value);
        }
        assert!((runs.mean() - 5.0).abs() < 1e-12);
        assert!((runs.deviation() - (26.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(runs.latest(), 9.0);
    }

    #[test]
    fn gaps_lie_between_the_beginnings_of_steps_with_calls() {
        let mut times = CallTimes::default();
        assert_eq!(times.idle_seconds(7), None);
        times.add(2, 1);
        times.add(3, 0);
        times.add(6, 3);
        assert_eq!(times.gaps().as_slice(), [60.0, 5.0, 5.0]);
        assert_eq!(times.idle_seconds(7), Some(15.0));
    }

    #[test]
    fn totals_weigh_by_calls() {
        let mut totals = CallTotals::default();
        let call = |cost, cold_start_rate| CallMeans {
            cost: Usd::new(cost),
            carbon: GramsCo2e::ZERO,
            cold_start_rate,
            sla_violation_rate: 0.0,
        };
        totals.add(1, call(4.0, 1.0));
        totals.add(3, call(0.0, 0.0));
        let means = totals.means();
        assert_eq!((means.cost.get(), means.cold_start_rate), (1.0, 0.25));
    }
}
