//! A deterministic world that replays a recorded workload: for every placement a policy chooses, what it costs, how long it takes and what it
//! emits, by the formulas of [`strata_domain`].
//!
//! Everything follows from the trace and a seed: no clock, no order of calls, no machine changes a bit of it.

mod arrivals;
mod attributes;
mod baseline;
mod calls;
mod decode;
mod dynamics;
mod environment;
mod evaluate;
mod forecast;
mod history;
mod invocation;
mod locate;
mod oracle;
mod percentiles;
mod replay;
mod seed;
mod split;
mod table;
mod telemetry;
#[cfg(test)]
mod test_trace;
mod trace;
mod windows;
mod world;

pub use attributes::Attributes;
pub use baseline::{
    BestFixed, Greedy, OneStepModel, PatientModel, RandomPlacement, RoundRobin, StayPut, baselines,
};
pub use decode::{Source, TraceError, TraceFiles};
pub use dynamics::{OBSERVED_ON, Outcome, RUNS_PER_INTERVAL};
pub use environment::{DecisionPoint, Environment};
pub use evaluate::{Decided, Evaluation, PlacementPolicy, Report, evaluate};
pub use forecast::{ForecastScore, Scorer, exponential_smoothing, last_value, moving_average};
pub use invocation::{Invocation, Invoked, PlacedFunction};
pub use oracle::Oracle;
pub use percentiles::Percentiles;
pub use replay::{Replay, ReplayOptions, ReplayRequest};
pub use split::{Cohort, Scope, Split};
pub use telemetry::Telemetry;
pub use trace::{Trace, TracedFunction, Trigger};
pub use windows::{FORECAST_VALUES, STEP_FEATURES, Window, WindowOptions, features};
pub use world::{World, WorldOptions};
// The types of fields of requests and windows.
pub use strata_policy::operational::{CallHistory, Step};
