//! Reinforcement learning in environments with discrete actions.

mod batch;
pub mod dqn;
mod environment;
mod episode;
pub mod ppo;
mod recent;
mod replay;

pub use environment::{Environment, Observation, Outcome, random_states};
