//! A trace brought to life by a seed.

use std::{ops::Range, sync::OnceLock};

use strata_domain::{DEFAULT_SLA_MS, InvocationProfile, Placement};

use crate::{
    dynamics::{Dynamics, Grid},
    split::{Scope, Split},
    telemetry::Telemetry,
    trace::Trace,
    windows::{self, Window, WindowOptions},
};

/// What a world is made of besides its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldOptions {
    /// Seed of every draw.
    pub seed: u64,
    /// Minutes between two decisions about a function: 25 are the 1,500 s of the tactical layer, 250 the 15,000 s of the strategic one. At
    /// least 1.
    pub interval_minutes: usize,
    /// Latency every call is promised, in ms.
    pub sla_ms: u32,
}

impl Default for WorldOptions {
    /// Seed 1, tactical cadence, [`DEFAULT_SLA_MS`].
    fn default() -> Self {
        Self { seed: 1, interval_minutes: 25, sla_ms: DEFAULT_SLA_MS as u32 }
    }
}

/// A trace brought to life by a seed. Functions are worked out when they are first asked for; a shared reference serves many threads.
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

    /// What it was recorded as.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What it was made with.
    pub fn options(&self) -> WorldOptions {
        self.options
    }

    /// How many functions it has.
    pub fn functions(&self) -> usize {
        self.dynamics.len()
    }

    /// How many decisions about a function a scope holds: the intervals in which it is called, without the very first of all, in which
    /// it is only observed.
    pub fn decisions(&self, function: usize, scope: impl Into<Scope>) -> usize {
        self.decided(function, scope.into()).map_or(0, |(_, numbers)| numbers.len())
    }

    /// A function with the numbers of the intervals a scope decides about; `None` when there are none. Functions outside of the scope are
    /// not worked out.
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

    /// Functions about which a scope holds something to decide, by position.
    pub fn deciding(&self, scope: impl Into<Scope>) -> Vec<usize> {
        let scope = scope.into();
        (0..self.functions()).filter(|&function| self.decisions(function, scope) > 0).collect()
    }

    /// What is known of a function's calls over the whole trace, with run times on [`OBSERVED_ON`](crate::OBSERVED_ON): what
    /// [`PlacedFunction`](crate::PlacedFunction) takes; `None` beyond the last function.
    pub fn profile(&self, function: usize) -> Option<InvocationProfile> {
        Some(self.dynamics(function)?.profile)
    }

    /// The telemetry of a function on the placement it has when the trace begins; `None` beyond the last function.
    pub fn telemetry(&self, function: usize) -> Option<Telemetry<'_>> {
        let placement = self.trace.functions().get(function)?.attributes.placement;
        self.telemetry_on(function, placement)
    }

    /// The telemetry of a function on any placement; `None` beyond the last function.
    pub fn telemetry_on(&self, function: usize, placement: Placement) -> Option<Telemetry<'_>> {
        let function = self.trace.functions().get(function)?;
        Some(Telemetry::new(&self.trace, function, placement, self.options.seed))
    }

    /// The forecasting windows of one function within one part of the trace, in the order of time.
    ///
    /// No window crosses into another function or another part. A part of the bundled day has up to 3,456 steps.
    pub fn windows_of(&self, function: usize, split: Split, options: WindowOptions) -> Vec<Window> {
        windows::of_function(self, function, split, options)
    }

    /// The forecasting windows of every function of a scope, one function after the other, made as they are asked for.
    pub fn windows(
        &self,
        scope: impl Into<Scope>,
        options: WindowOptions,
    ) -> impl Iterator<Item = Window> + '_ {
        let scope = scope.into();
        let splits =
            Split::ALL.into_iter().filter(move |s| scope.split.is_none_or(|only| only == *s));
        let functions = self.trace.functions().iter().enumerate();
        let chosen = functions.filter(move |(_, function)| scope.includes(function));
        chosen.flat_map(move |(function, _)| {
            splits.clone().flat_map(move |split| self.windows_of(function, split, options))
        })
    }

    pub(crate) fn dynamics(&self, function: usize) -> Option<&Dynamics> {
        let traced = self.trace.functions().get(function)?;
        let slot = self.dynamics.get(function)?;
        Some(slot.get_or_init(|| Dynamics::new(&self.trace, traced, &self.grid, self.options)))
    }
}
