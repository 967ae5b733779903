//! A trace brought to life by a seed: when calls arrive, how long they run, what they cost on every
//! placement, and what a platform would measure. Nothing here chooses a placement.

mod arrivals;
mod cold_calls;
mod dynamics;
mod grid;
mod history;
mod invocation;
mod options;
mod outcome;
mod telemetry;

use std::{ops::Range, sync::OnceLock};

use strata_domain::{InvocationProfile, Placement};

use self::grid::Grid;
pub(crate) use self::{
    arrivals::STEPS_PER_MINUTE,
    dynamics::{Choice, Dynamics, Interval},
    history::{CallLog, CallTotals},
};
pub use self::{
    invocation::{Invocation, Invoked, PlacedFunction},
    options::WorldOptions,
    outcome::{Outcome, RUNS_PER_INTERVAL},
    telemetry::Telemetry,
};
use crate::traces::{Scope, Trace};

/// A trace brought to life by a seed. The intervals of a function are computed when they are first
/// used; threads can share a world by reference.
#[derive(Debug)]
pub struct World {
    trace: Trace,
    options: WorldOptions,
    grid: Grid,
    dynamics: Vec<OnceLock<Dynamics>>,
}

impl World {
    /// A world over `trace`.
    pub fn new(trace: Trace, options: WorldOptions) -> Self {
        let options = WorldOptions { interval_minutes: options.interval_minutes.max(1), ..options };
        let grid = Grid::new(trace.minutes(), options.interval_minutes);
        let dynamics = trace.functions().iter().map(|_| OnceLock::new()).collect();
        Self { trace, options, grid, dynamics }
    }

    /// The trace it replays.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The options it was made with, `interval_minutes` at least 1.
    pub fn options(&self) -> WorldOptions {
        self.options
    }

    /// How many functions it has.
    pub fn functions(&self) -> usize {
        self.dynamics.len()
    }

    /// How many decisions a function needs in a scope: one for each interval in which it is called,
    /// except for its first in the trace, in which it is only observed.
    pub fn decisions(&self, function: usize, scope: impl Into<Scope>) -> usize {
        self.decided(function, scope.into()).map_or(0, |(_, numbers)| numbers.len())
    }

    /// A function, and the numbers of its intervals in a scope that need a decision; `None` when
    /// there are none. Functions outside of the scope are not computed.
    pub(crate) fn decided(
        &self,
        function: usize,
        scope: Scope,
    ) -> Option<(&Dynamics, Range<usize>)> {
        self.trace.functions().get(function).filter(|traced| scope.includes(traced))?;
        let dynamics = self.dynamics(function)?;
        let numbers = dynamics.decided_in(scope.split);
        (!numbers.is_empty()).then_some((dynamics, numbers))
    }

    /// Positions of the functions that need a decision in a scope.
    pub fn deciding(&self, scope: impl Into<Scope>) -> Vec<usize> {
        let scope = scope.into();
        (0..self.functions()).filter(|&function| self.decisions(function, scope) > 0).collect()
    }

    /// What is known of a function's calls over the whole trace, with run times on
    /// [`OBSERVED_ON`](crate::OBSERVED_ON): what [`PlacedFunction`](crate::PlacedFunction) takes;
    /// `None` beyond the last function.
    pub fn profile(&self, function: usize) -> Option<InvocationProfile> {
        Some(self.dynamics(function)?.profile)
    }

    /// The telemetry of a function on the placement it has when the trace begins; `None` beyond the
    /// last function.
    pub fn telemetry(&self, function: usize) -> Option<Telemetry<'_>> {
        let placement = self.trace.functions().get(function)?.attributes.placement;
        self.telemetry_on(function, placement)
    }

    /// The telemetry of a function on any placement; `None` beyond the last function.
    pub fn telemetry_on(&self, function: usize, placement: Placement) -> Option<Telemetry<'_>> {
        let function = self.trace.functions().get(function)?;
        Some(Telemetry::new(&self.trace, function, placement, self.options.seed))
    }

    pub(crate) fn dynamics(&self, function: usize) -> Option<&Dynamics> {
        let traced = self.trace.functions().get(function)?;
        let slot = self.dynamics.get(function)?;
        Some(slot.get_or_init(|| Dynamics::new(&self.trace, traced, &self.grid, self.options)))
    }
}
