//! The trace as requests: what a platform controller would have asked, in the order of time.

use strata_domain::{FunctionId, Objective};
use strata_policy::operational::{CallHistory, Step, WINDOW_STEPS};

use crate::{
    policies::{DecisionPoint, Environment},
    traces::Split,
    world::{CallLog, STEPS_PER_MINUTE, World},
};

/// Which requests to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The part of the trace.
    pub split: Split,
    /// At most this many requests.
    pub limit: usize,
    /// Take every n-th decision of a function; 1 for all, 0 counts as 1.
    pub every: usize,
}

impl Default for ReplayOptions {
    /// All of the test part.
    fn default() -> Self {
        Self { split: Split::Test, limit: usize::MAX, every: 1 }
    }
}

/// One request for a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayRequest {
    /// The function.
    pub function: FunctionId,
    /// What is known of it, and when. The function runs on its placement in the trace: earlier
    /// answers do not move it.
    pub point: DecisionPoint,
    /// Its last twelve steps of 15 s, oldest first, measured where it runs.
    pub window: [Step; WINDOW_STEPS],
    /// What is known of its calls.
    pub calls: CallHistory,
}

impl ReplayRequest {
    /// The request at a decision about a function that has always run where it runs now; `None`
    /// when the function is not in the trace.
    pub fn new(world: &World, point: DecisionPoint) -> Option<Self> {
        let step = minute_of(world, &point) * STEPS_PER_MINUTE;
        // The call history begins with the trace.
        let telemetry = world.telemetry_on(point.function, point.current)?;
        let measured = telemetry.series(0..step);
        let mut log = CallLog::new(telemetry);
        measured.iter().enumerate().for_each(|(number, step)| log.add(number, step));
        // Nothing was called before the trace began.
        let mut window = [Step::default(); WINDOW_STEPS];
        for (slot, step) in window.iter_mut().rev().zip(measured.into_iter().rev()) {
            *slot = step;
        }
        let function = world.trace().functions().get(point.function)?.id.clone();
        Some(Self { function, point, window, calls: log.before(step) })
    }
}

/// The requests of a part of the trace, in the order of time; of one moment, in the order of the
/// trace.
#[derive(Debug)]
pub struct Replay<'w> {
    world: &'w World,
    /// First minute of the interval, and the decision; latest first.
    due: Vec<(usize, DecisionPoint)>,
}

impl<'w> Replay<'w> {
    /// Collects the decisions; telemetry is computed as requests are taken.
    pub fn new(world: &'w World, options: ReplayOptions) -> Self {
        let mut due = Vec::new();
        let mut environment = Environment::new(world, options.split, Objective::tactical());
        for function in 0..world.functions() {
            environment.reset(function);
            let mut number = 0;
            while let Some(point) = environment.observe() {
                if number % options.every.max(1) == 0 {
                    due.push((minute_of(world, &point), point));
                }
                number += 1;
                let current = environment.current();
                environment.step(current);
            }
        }
        due.sort_by_key(|(minute, point)| (*minute, point.function));
        due.truncate(options.limit);
        due.reverse();
        Self { world, due }
    }

    /// How many requests are left.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

impl Iterator for Replay<'_> {
    type Item = ReplayRequest;

    fn next(&mut self) -> Option<Self::Item> {
        let (_, point) = self.due.pop()?;
        ReplayRequest::new(self.world, point)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.due.len(), Some(self.due.len()))
    }
}

impl ExactSizeIterator for Replay<'_> {}

fn minute_of(world: &World, point: &DecisionPoint) -> usize {
    let seconds = point.facts.at.unix_seconds() - world.trace().start().unix_seconds();
    usize::try_from(seconds / 60).unwrap_or(0)
}
