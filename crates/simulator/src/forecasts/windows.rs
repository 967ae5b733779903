//! Training rows of the operational layer: twelve steps of one function, and what came next.

use std::ops::Range;

use strata_domain::PlatformId;
use strata_policy::operational::{CallHistory, DEFAULT_FEATURES, LABELS, Step, WINDOW_STEPS};

use crate::{
    traces::{Scope, Split},
    world::{CallLog, STEPS_PER_MINUTE, World},
};

/// Features of a step, in the order of [`strata_policy::operational::DEFAULT_FEATURES`].
pub const STEP_FEATURES: usize = DEFAULT_FEATURES.len();
/// Forecast values, in the order of [`strata_policy::operational::LABELS`].
pub const FORECAST_VALUES: usize = LABELS.len();

/// Twelve steps of one function and its next, in raw units (requests per second, shares, calls,
/// sine).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Position of the function in the trace.
    pub function: usize,
    /// Number of the step to forecast, counted from the beginning of the trace.
    pub target_step: usize,
    /// Request rate, memory use, CPU use, queue depth, sine of the hour; oldest step first.
    pub x: [[f32; STEP_FEATURES]; WINDOW_STEPS],
    /// Request rate, memory use, CPU use of the target step.
    pub y: [f32; FORECAST_VALUES],
    /// What is known of the function's calls when the target step begins.
    pub calls: CallHistory,
    /// The platform that it runs on.
    pub platform: PlatformId,
    /// Minutes for which that platform keeps an idle instance.
    pub keep_alive_minutes: f64,
}

impl Window {
    /// The steps before the target.
    pub fn steps(&self) -> [Step; WINDOW_STEPS] {
        self.x.map(|step| {
            let [request_rate, memory_util, cpu_util, queue_depth, hour_sin] = step.map(f64::from);
            Step { request_rate, memory_util, cpu_util, queue_depth, hour_sin }
        })
    }
}

/// Which windows to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowOptions {
    /// Steps between the targets of two windows; at least 1.
    pub stride: usize,
    /// Steps by which a function's first target is moved, modulo the stride, so that epochs can see
    /// other windows.
    pub offset: usize,
    /// Leave out windows without a call, which most windows are. The target step is not looked at:
    /// a forecaster does not know it.
    pub skip_idle: bool,
}

impl Default for WindowOptions {
    /// Every busy window.
    fn default() -> Self {
        Self { stride: 1, offset: 0, skip_idle: true }
    }
}

impl World {
    /// The forecasting windows of one function within one part of the trace, in the order of time.
    ///
    /// No window crosses into another function or another part. A part of the bundled day has up to
    /// 3,456 steps.
    pub fn windows_of(&self, function: usize, split: Split, options: WindowOptions) -> Vec<Window> {
        of_function(self, function, split, options)
    }

    /// The forecasting windows of every function of a scope, one function after the other, made as
    /// they are asked for.
    pub fn windows(
        &self,
        scope: impl Into<Scope>,
        options: WindowOptions,
    ) -> impl Iterator<Item = Window> + '_ {
        let scope = scope.into();
        let splits =
            Split::ALL.into_iter().filter(move |s| scope.split.is_none_or(|only| only == *s));
        let functions = self.trace().functions().iter().enumerate();
        let chosen = functions.filter(move |(_, function)| scope.includes(function));
        chosen.flat_map(move |(function, _)| {
            splits.clone().flat_map(move |split| self.windows_of(function, split, options))
        })
    }
}

/// The windows of one function that lie, target included, within one part of the trace.
fn of_function(
    world: &World,
    function: usize,
    split: Split,
    options: WindowOptions,
) -> Vec<Window> {
    let minutes = split.minutes(world.trace().minutes());
    let steps = minutes.start * STEPS_PER_MINUTE..minutes.end * STEPS_PER_MINUTE;
    let Some(telemetry) = world.telemetry(function) else { return Vec::new() };
    // The call history begins with the trace.
    let whole = telemetry.series(0..steps.end);
    let series = &whole[steps.start.min(whole.len())..];
    let mut log = CallLog::new(telemetry);
    let mut logged = 0;
    targets(series, options)
        .map(|target| {
            let target_step = steps.start + target;
            (logged..target_step).for_each(|number| log.add(number, &whole[number]));
            logged = target_step;
            let mut x = [[0.0; STEP_FEATURES]; WINDOW_STEPS];
            for (row, step) in x.iter_mut().zip(&series[target - WINDOW_STEPS..target]) {
                *row = features(step);
            }
            let [rate, memory, cpu, ..] = features(&series[target]);
            Window {
                function,
                target_step,
                x,
                y: [rate, memory, cpu],
                calls: log.before(target_step),
                platform: telemetry.placement().platform,
                keep_alive_minutes: telemetry.keep_alive_minutes(),
            }
        })
        .collect()
}

fn targets(series: &[Step], options: WindowOptions) -> impl Iterator<Item = usize> + '_ {
    let stride = options.stride.max(1);
    let all: Range<usize> = WINDOW_STEPS + options.offset % stride..series.len();
    all.step_by(stride).filter(move |&target| {
        let is_busy = |step: &Step| step.request_rate > 0.0;
        !options.skip_idle || series[target - WINDOW_STEPS..target].iter().any(is_busy)
    })
}

/// A step as a row of the default model.
pub fn features(step: &Step) -> [f32; STEP_FEATURES] {
    [step.request_rate, step.memory_util, step.cpu_util, step.queue_depth, step.hour_sin]
        .map(|value| value as f32)
}
