//! Supervised learning of forecasts from windows.

pub mod bound;
mod epochs;
pub mod gated;
pub mod lstm;

pub use epochs::{Fitted, Schedule};
