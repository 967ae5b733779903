//! The vocabulary of Strata: where functions can run, what that costs, and how it can go wrong.
//!
//! This room is pure: no async, no clock, no I/O, no randomness. The same input gives the same bits.

pub mod carbon;
pub mod cold_start;
mod estimate;
mod fault;
mod function;
mod gaps;
pub mod latency;
mod memory;
mod objective;
mod outlook;
mod placement;
pub mod price;
mod provider;
mod region;
mod run_times;
pub mod scaling;
mod time;
mod units;

pub use estimate::{Estimate, Home, InvocationProfile, PlacedRun, TYPICAL_P95_OVER_MEAN, estimate};
pub use fault::FaultKind;
pub use function::{FunctionId, FunctionIdError};
pub use gaps::{CallPattern, RecentGaps};
pub use memory::{DEFAULT_MEMORY_MB, MemoryTier};
pub use objective::{
    Attainable, DEFAULT_SLA_MS, MAX_SLA_PENALTY, Objective, RewardParts, Weights, WeightsError,
};
pub use outlook::Outlook;
pub use placement::Placement;
pub use provider::Provider;
pub use region::Region;
pub use run_times::Z95;
pub use scaling::TYPICAL_CPU_SHARE;
pub use time::UtcTime;
pub use units::{GramsCo2e, Megabytes, Millis, Usd};
