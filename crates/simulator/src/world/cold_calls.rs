//! Which calls of a function start cold.

use strata_domain::Catalogue;

use super::{
    arrivals::{Arrivals, STEPS_PER_MINUTE},
    history::CallTimes,
};
use crate::traces::TracedFunction;

/// Walks over a function's calls and the gaps between them, in the order of time.
pub(super) struct CallWalk<'a> {
    catalogue: &'a Catalogue,
    arrivals: Arrivals<'a>,
    per_minute: &'a [u32],
    minute: usize,
    pub(super) times: CallTimes,
}

/// The calls of an interval, and how many of them start cold.
pub(super) struct ColdCalls {
    pub(super) calls: u32,
    /// By platform.
    pub(super) cold: Vec<Cold>,
}

/// Cold calls of a function that stays on a platform.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cold {
    /// How many are expected.
    pub(super) expected: f64,
    /// Probability that the first call is one.
    pub(super) first: f64,
}

impl<'a> CallWalk<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, function: &'a TracedFunction, seed: u64) -> Self {
        Self {
            catalogue,
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
        let none = vec![Cold::default(); self.catalogue.platforms().len()];
        let mut cold = ColdCalls { calls: 0, cold: none };
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
        for ((_, platform), cold_there) in self.catalogue.platforms().zip(&mut cold.cold) {
            let probability = platform.cold_starts.probability_after_idle(idle_minutes);
            cold_there.expected += probability;
            if cold.calls == 0 {
                cold_there.first = probability;
            }
        }
        cold.calls = cold.calls.saturating_add(count);
        self.times.add(step, count);
    }
}
