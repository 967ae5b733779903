//! A deterministic world that replays a recorded workload: for every placement a policy chooses,
//! what it costs, how long it takes and what it emits, by the formulas of [`strata_domain`].
//!
//! Everything follows from the trace and a seed: no clock, no order of calls, no machine changes a
//! bit of it.

mod forecasts;
mod policies;
mod replay;
mod seed;
mod traces;
mod world;

pub use forecasts::{
    FORECAST_VALUES, ForecastScore, STEP_FEATURES, Scorer, Window, WindowOptions,
    exponential_smoothing, features, last_value, moving_average,
};
pub use policies::{
    BestFixed, Decided, DecisionPoint, Environment, Evaluation, Greedy, OneStepModel, Oracle,
    PatientModel, PlacementPolicy, RandomPlacement, Report, RoundRobin, StayPut, baselines,
    evaluate,
};
pub use replay::{Replay, ReplayOptions, ReplayRequest};
// The types of fields of requests and windows.
pub use strata_policy::operational::{CallHistory, Step};
pub use traces::{
    Attributes, Cohort, Percentiles, Scope, Source, Split, Trace, TraceError, TraceFiles,
    TracedFunction, Trigger, observed_on,
};
pub use world::{
    Invocation, Invoked, Outcome, PlacedFunction, RUNS_PER_INTERVAL, Telemetry, World, WorldOptions,
};
