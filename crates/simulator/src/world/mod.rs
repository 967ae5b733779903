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
mod place;
mod setting;
mod telemetry;

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use strata_domain::{Catalogue, InvocationProfile, Placement};

pub(crate) use self::{
    arrivals::STEPS_PER_MINUTE,
    dynamics::{Dynamics, Interval},
    history::{CallLog, CallTotals},
    place::Place,
};
use self::{grid::Grid, setting::Setting};
pub use self::{
    invocation::{Invocation, Invoked, PlacedFunction},
    options::WorldOptions,
    outcome::{Outcome, RUNS_PER_INTERVAL},
    telemetry::Telemetry,
};
use crate::traces::{Assumptions, Attributes, Scope, Trace, observed_on};

/// A trace brought to life by a seed on the placements of a catalogue. The intervals of a function
/// are computed when they are first used; threads can share a world by reference.
#[derive(Debug)]
pub struct World {
    trace: Trace,
    options: WorldOptions,
    catalogue: Arc<Catalogue>,
    observed_on: Placement,
    attributes: Vec<Attributes>,
    grid: Grid,
    dynamics: Vec<OnceLock<Dynamics>>,
}

impl World {
    /// A world over `trace`, whose functions are placed on `catalogue`.
    pub fn new(trace: Trace, options: WorldOptions, catalogue: Arc<Catalogue>) -> Self {
        let options = WorldOptions { interval_minutes: options.interval_minutes.max(1), ..options };
        let grid = Grid::new(trace.minutes(), options.interval_minutes);
        let dynamics = trace.functions().iter().map(|_| OnceLock::new()).collect();
        let assumptions = Assumptions::new(&catalogue);
        let drawn = trace.functions().iter();
        let attributes =
            drawn.map(|function| assumptions.draw(options.variation, function)).collect();
        let observed_on = observed_on(&catalogue);
        Self { trace, options, catalogue, observed_on, attributes, grid, dynamics }
    }

    /// The trace it replays.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The options it was made with, `interval_minutes` at least 1.
    pub fn options(&self) -> WorldOptions {
        self.options
    }

    /// The catalogue that functions are placed on.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// What is assumed of a function; `None` beyond the last.
    pub fn attributes(&self, function: usize) -> Option<&Attributes> {
        self.attributes.get(function)
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
    /// [`observed_on`](crate::observed_on): what [`PlacedFunction`](crate::PlacedFunction) takes;
    /// `None` beyond the last function.
    pub fn profile(&self, function: usize) -> Option<InvocationProfile> {
        Some(self.dynamics(function)?.profile.clone())
    }

    /// The telemetry of a function on the placement it has when the trace begins; `None` beyond the
    /// last function.
    pub fn telemetry(&self, function: usize) -> Option<Telemetry<'_>> {
        self.telemetry_on(function, self.attributes(function)?.placement)
    }

    /// The telemetry of a function on any placement; `None` beyond the last function.
    pub fn telemetry_on(&self, function: usize, placement: Placement) -> Option<Telemetry<'_>> {
        let traced = self.trace.functions().get(function)?;
        let attributes = self.attributes.get(function)?;
        Some(Telemetry::new(self.setting(), traced, attributes, placement))
    }

    /// How many times longer a run of a function takes on `placement` than it was observed.
    pub(crate) fn run_time_factor(&self, placement: Placement, cpu_share: f64) -> f64 {
        self.setting().run_time_factor(placement, cpu_share)
    }

    pub(crate) fn dynamics(&self, function: usize) -> Option<&Dynamics> {
        let traced = self.trace.functions().get(function)?;
        let attributes = self.attributes.get(function)?;
        let slot = self.dynamics.get(function)?;
        Some(slot.get_or_init(|| Dynamics::new(self.setting(), traced, attributes)))
    }

    fn setting(&self) -> Setting<'_> {
        let Self { trace, options, catalogue, observed_on, grid, .. } = self;
        Setting { catalogue, trace, grid, observed_on: *observed_on, options: *options }
    }
}
