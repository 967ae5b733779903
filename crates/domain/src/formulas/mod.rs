//! The formulas behind an estimate, each with its source: price, run time, network latency, cold
//! starts and greenhouse gas of one invocation.
//!
//! Nothing here knows a whole function or compares placements.

pub mod carbon;
pub mod cold_start;
pub mod latency;
pub mod price;
pub(crate) mod run_times;
pub mod scaling;
