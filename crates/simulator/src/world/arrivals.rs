//! When calls come: counts per minute, spread over steps of 15 seconds.

use strata_policy::operational::STEP_SECONDS;

use crate::{
    seed::{Purpose, stream, unit},
    traces::{TracedFunction, Trigger},
};

/// Steps of the operational layer in a minute.
pub(crate) const STEPS_PER_MINUTE: usize = 60 / STEP_SECONDS as usize;

/// Up to this many calls in a minute are assigned to steps one by one; more follow the normal
/// approximation.
const FEW: u32 = 256;

/// Share of timers that fire when the minute begins, as those written in cron notation do (an
/// assumption).
const TIMERS_ON_THE_MINUTE: f64 = 0.7;

/// The calls of one function on the grid of 15 seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals<'a> {
    function: &'a TracedFunction,
    seed: u64,
    /// The step of a minute in which a timer fires.
    phase: usize,
}

impl<'a> Arrivals<'a> {
    pub(crate) fn new(function: &'a TracedFunction, seed: u64) -> Self {
        let on_the_minute = unit(0, function.identity, Purpose::Arrivals, 0);
        let phase = if on_the_minute < TIMERS_ON_THE_MINUTE {
            0
        } else {
            (function.identity % STEPS_PER_MINUTE as u64) as usize
        };
        Self { function, seed, phase }
    }

    /// Calls in each step of one minute of the trace; they add up to what the trace says.
    pub(crate) fn in_minute(&self, minute: usize) -> [u32; STEPS_PER_MINUTE] {
        let count = self.function.per_minute.get(minute).copied().unwrap_or(0);
        if count == 0 {
            [0; STEPS_PER_MINUTE]
        } else if self.function.trigger == Trigger::Timer {
            self.timed(count)
        } else {
            self.random(count, minute)
        }
    }

    /// A timer: at its phase, and at even distances from it when it fires more than once.
    fn timed(&self, count: u32) -> [u32; STEPS_PER_MINUTE] {
        let steps = STEPS_PER_MINUTE as u32;
        let mut calls = [count / steps; STEPS_PER_MINUTE];
        let rest = count % steps;
        for firing in 0..rest {
            calls[(self.phase + (firing * steps / rest) as usize) % STEPS_PER_MINUTE] += 1;
        }
        calls
    }

    /// Any other trigger: each call comes in any step with the same probability (multinomial).
    fn random(&self, count: u32, minute: usize) -> [u32; STEPS_PER_MINUTE] {
        let mut draws =
            stream(self.seed, self.function.identity, Purpose::Arrivals, minute as u64 + 1);
        let mut calls = [0; STEPS_PER_MINUTE];
        if count <= FEW {
            for _ in 0..count {
                calls[draws.below(STEPS_PER_MINUTE)] += 1;
            }
            return calls;
        }
        let mut left = count;
        for (step, slot) in calls.iter_mut().enumerate() {
            let share = 1.0 / (STEPS_PER_MINUTE - step) as f64;
            let mean = f64::from(left) * share;
            let drawn = mean + draws.normal() * (mean * (1.0 - share)).sqrt();
            *slot = (drawn.round().max(0.0) as u32).min(left);
            left -= *slot;
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::traces::test_trace;

    proptest! {
        #[test]
        fn steps_add_up_to_the_minute(count in 0u32..2_000_000, seed in 0u64..100, timer: bool) {
            let trigger = if timer { Trigger::Timer } else { Trigger::Queue };
            let function = test_trace::function("f", trigger, vec![count]);
            let calls = Arrivals::new(&function, seed).in_minute(0);
            prop_assert_eq!(calls.iter().sum::<u32>(), count);
            prop_assert_eq!(Arrivals::new(&function, seed).in_minute(0), calls);
        }
    }

    #[test]
    fn a_timer_fires_in_the_same_step_of_every_minute() {
        let function = test_trace::function("clock", Trigger::Timer, vec![1; 60]);
        let arrivals = Arrivals::new(&function, 3);
        let first = arrivals.in_minute(0);
        assert!((1..60).all(|minute| arrivals.in_minute(minute) == first));
        let twice = test_trace::function("clock", Trigger::Timer, vec![2]);
        let calls = Arrivals::new(&twice, 3).in_minute(0);
        assert!(calls == [1, 0, 1, 0] || calls == [0, 1, 0, 1], "{calls:?}");
    }

    #[test]
    fn people_come_in_any_step_alike() {
        let function = test_trace::function("shop", Trigger::Http, vec![1; 4000]);
        let arrivals = Arrivals::new(&function, 3);
        let mut totals = [0; STEPS_PER_MINUTE];
        for minute in 0..4000 {
            for (total, calls) in totals.iter_mut().zip(arrivals.in_minute(minute)) {
                *total += calls;
            }
        }
        assert!(totals.iter().all(|total| (900..1100).contains(total)), "{totals:?}");
    }
}
