//! Which calls of a function start cold.

use strata_domain::{Provider, cold_start};

use super::{
    arrivals::{Arrivals, STEPS_PER_MINUTE},
    history::CallTimes,
};
use crate::traces::TracedFunction;

/// Walks over a function's calls and the gaps between them, in the order of time.
pub(super) struct CallWalk<'a> {
    arrivals: Arrivals<'a>,
    per_minute: &'a [u32],
    minute: usize,
    pub(super) times: CallTimes,
}

/// The calls of an interval, and how many of them start cold.
#[derive(Default)]
pub(super) struct ColdCalls {
    pub(super) calls: u32,
    /// Expected cold calls of a function that stays, by [`Provider::index`].
    pub(super) expected: [f64; Provider::COUNT],
    /// Probability that the first call is cold, by [`Provider::index`].
    pub(super) first: [f64; Provider::COUNT],
}

impl<'a> CallWalk<'a> {
    pub(super) fn new(function: &'a TracedFunction, seed: u64) -> Self {
        Self {
            arrivals: Arrivals::new(function, seed),
            per_minute: &function.per_minute,
            minute: 0,
            times: CallTimes::default(),
        }
    }

    /// Passes over minutes that belong to no interval.
    pub(super) fn skip_to(&mut self, minute: usize) {
        let _ = self.to(minute);
    }

    /// The calls up to the minute `end`; `None` when there are none. Calls after the first of a
    /// step are warm.
    pub(super) fn to(&mut self, end: usize) -> Option<ColdCalls> {
        let mut cold = ColdCalls::default();
        while self.minute < end {
            let minute = self.minute;
            self.minute += 1;
            if self.per_minute.get(minute).is_none_or(|count| *count == 0) {
                continue;
            }
            for (within, count) in self.arrivals.in_minute(minute).into_iter().enumerate() {
                if count > 0 {
                    self.call(minute * STEPS_PER_MINUTE + within, count, &mut cold);
                }
            }
        }
        (cold.calls > 0).then_some(cold)
    }

    fn call(&mut self, step: usize, count: u32, cold: &mut ColdCalls) {
        // Before the first call of the trace there was no instance.
        let idle_minutes =
            self.times.idle_seconds(step).map_or(f64::INFINITY, |seconds| seconds / 60.0);
        for provider in Provider::ALL {
            let probability = cold_start::probability_after_idle(provider, idle_minutes);
            cold.expected[provider.index()] += probability;
            if cold.calls == 0 {
                cold.first[provider.index()] = probability;
            }
        }
        cold.calls = cold.calls.saturating_add(count);
        self.times.add(step, count);
    }
}
