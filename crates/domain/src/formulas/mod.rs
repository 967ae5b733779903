//! The formulas and measured tables behind an estimate, each with its source: price, run time,
//! network latency, cold starts and greenhouse gas of one invocation.
//!
//! Nothing here knows a whole function or compares placements.

mod between_sites;
pub mod carbon;
pub mod cold_start;
mod grids;
mod instances;
pub mod latency;
pub mod price;
pub(crate) mod run_times;
pub mod scaling;
