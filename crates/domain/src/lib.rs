//! The vocabulary of Strata: where functions can run, what that costs, and how it can go wrong.
//!
//! This room is pure: no async, no clock, no I/O, no randomness. The same input gives the same bits.

mod fault;
mod function;
mod memory;
mod placement;
mod provider;
mod region;
mod time;
mod units;

pub use fault::FaultKind;
pub use function::{FunctionId, FunctionIdError};
pub use memory::MemoryTier;
pub use placement::Placement;
pub use provider::Provider;
pub use region::Region;
pub use time::UtcTime;
pub use units::{GramsCo2e, Megabytes, Millis, Usd};
