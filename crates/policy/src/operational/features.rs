//! The catalogue of what the operational model may take, one value per step of the window.

use std::cell::OnceCell;

use super::{
    calls::{CallHistory, Calls},
    step::{MAX_STEP_VALUE, Step, WINDOW_STEPS},
};
use crate::feature::Feature;

/// What is known of a function when its next step is forecast.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Its last steps, oldest first.
    pub window: &'a [Step; WINDOW_STEPS],
    /// What is known beyond them.
    pub calls: CallHistory,
    /// Minutes for which the platform that it runs on keeps an idle instance.
    pub keep_alive_minutes: f64,
}

/// An observation, and what is derived from it when the first feature needs it.
pub(super) struct Seen<'a> {
    observation: &'a Observation<'a>,
    calls: OnceCell<Calls>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(observation: &'a Observation<'a>) -> Self {
        Self { observation, calls: OnceCell::new() }
    }

    fn step(&self, index: usize) -> &Step {
        &self.observation.window[index]
    }

    /// Seconds for which the platform keeps an idle instance from now on.
    fn keep_alive_left(&self) -> f64 {
        let kept = self.observation.keep_alive_minutes * SECONDS_PER_MINUTE;
        kept - self.calls().idle_seconds
    }

    fn calls(&self) -> &Calls {
        self.calls.get_or_init(|| Calls::new(&self.observation.calls, self.observation.window))
    }
}

/// Computes a feature at one step of the window.
pub(super) type StepValue = fn(&Seen<'_>, usize) -> f64;
pub(super) type StepFeature = Feature<StepValue>;

const DAY_SECONDS: f64 = 86_400.0;
/// Greater variations count as this.
const MAX_VARIATION: f64 = 4.0;
/// Times left, in seconds, are cut to this: further from the end of the keep-alive or of a run,
/// nothing changes in the next step.
const NEAR_SECONDS: f64 = 120.0;
const SECONDS_PER_MINUTE: f64 = 60.0;

const fn feature(
    (name, unit): (&'static str, &'static str),
    (min, max): (f64, f64),
    formula: &'static str,
    value: StepValue,
) -> StepFeature {
    Feature { name, unit, min, max, formula, value }
}

pub(super) const STEP_FEATURES: &[StepFeature] = &[
    feature(("request_rate", "1/s"), (0.0, MAX_STEP_VALUE), "requests per second", |s, i| {
        s.step(i).request_rate
    }),
    feature(("memory_util", "1"), (0.0, 1.0), "share of the allotted memory in use", |s, i| {
        s.step(i).memory_util
    }),
    feature(("cpu_util", "1"), (0.0, 1.0), "share of the allotted CPU in use", |s, i| {
        s.step(i).cpu_util
    }),
    feature(("queue_depth", "1"), (0.0, MAX_STEP_VALUE), "requests waiting", |s, i| {
        s.step(i).queue_depth
    }),
    feature(("hour_sin", "1"), (-1.0, 1.0), "sin(2 pi seconds of the day / 86400)", |s, i| {
        s.step(i).hour_sin
    }),
    feature(
        ("idle_seconds", "s"),
        (0.0, DAY_SECONDS),
        "time since the last invocation, the same at every step",
        |s, _| s.calls().idle_seconds,
    ),
    feature(
        ("last_gap", "s"),
        (0.0, DAY_SECONDS),
        "time between the last two invocations, the same at every step",
        |s, _| s.calls().last_gap,
    ),
    feature(
        ("mean_gap", "s"),
        (0.0, DAY_SECONDS),
        "mean time between the latest invocations, the same at every step",
        |s, _| s.calls().mean_gap,
    ),
    feature(
        ("gap_variation", "1"),
        (0.0, MAX_VARIATION),
        "standard deviation of those times over their mean, the same at every step",
        |s, _| s.calls().gap_variation,
    ),
    feature(
        ("call_probability", "1"),
        (0.0, 1.0),
        "of the latest gaps at least as long as the one under way, the share that ended in the \
         next step; with one more gap as the mean alone suggests; the same at every step",
        |s, _| s.calls().probability,
    ),
    feature(
        ("call_probability_near", "1"),
        (0.0, 1.0),
        "the same where gaps may be a step shorter or longer than they were",
        |s, _| s.calls().probability_near,
    ),
    feature(
        ("keep_alive_left", "s"),
        (-NEAR_SECONDS, NEAR_SECONDS),
        "time for which the provider still keeps an idle instance, the same at every step",
        |s, _| s.keep_alive_left(),
    ),
    feature(
        ("run_seconds", "s"),
        (0.0, DAY_SECONDS),
        "mean time that an invocation runs, the same at every step; 0 when unknown",
        |s, _| s.calls().run_seconds,
    ),
    feature(
        ("run_left", "s"),
        (-NEAR_SECONDS, NEAR_SECONDS),
        "run_seconds less idle_seconds: time left of a mean run that began with the last \
         invocation",
        |s, _| s.calls().run_seconds - s.calls().idle_seconds,
    ),
    feature(
        ("long_run_left", "s"),
        (-NEAR_SECONDS, NEAR_SECONDS),
        "the same for the 95th percentile of run times",
        |s, _| s.calls().long_run_seconds - s.calls().idle_seconds,
    ),
    feature(
        ("expected_request_rate", "1/s"),
        (0.0, MAX_STEP_VALUE),
        "call_probability times busy_request_rate, the same at every step",
        |s, _| s.calls().probability * s.calls().busy.request_rate,
    ),
    feature(
        ("expected_memory_util", "1"),
        (0.0, 1.0),
        "the last memory_util while the provider keeps an instance, else call_probability times \
         busy_memory_util; the same at every step",
        |s, _| {
            let last = s.step(WINDOW_STEPS - 1).memory_util;
            let kept = s.keep_alive_left() > 0.0 && last > 0.0;
            if kept { last } else { s.calls().probability * s.calls().busy.memory_util }
        },
    ),
    feature(
        ("expected_cpu_util", "1"),
        (0.0, 1.0),
        "call_probability times busy_cpu_util, the same at every step",
        |s, _| s.calls().probability * s.calls().busy.cpu_util,
    ),
    feature(
        ("busy_request_rate", "1/s"),
        (0.0, MAX_STEP_VALUE),
        "mean requests per second of the latest steps with an invocation, the same at every step",
        |s, _| s.calls().busy.request_rate,
    ),
    feature(
        ("busy_memory_util", "1"),
        (0.0, 1.0),
        "mean share of the allotted memory in use in those steps, the same at every step",
        |s, _| s.calls().busy.memory_util,
    ),
    feature(
        ("busy_cpu_util", "1"),
        (0.0, 1.0),
        "mean share of the allotted CPU in use in those steps, the same at every step",
        |s, _| s.calls().busy.cpu_util,
    ),
];
