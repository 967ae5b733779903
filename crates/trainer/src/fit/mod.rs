//! Fits the networks: reinforcement learning for the placing layers, supervised learning for the
//! forecasts, and what both need.

mod adam;
mod checkpoints;
mod curves;
mod monitor;
mod reinforcement;
mod state;
mod supervised;

pub use checkpoints::Checkpoints;
pub use curves::Curves;
pub use monitor::Monitor;
pub(crate) use monitor::VALIDATION;
pub use reinforcement::{Environment, Observation, Outcome, dqn, ppo, random_states};
pub use state::FitState;
pub use supervised::{Fitted, Schedule, bound, gated, lstm};
