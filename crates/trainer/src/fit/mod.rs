//! Fitting the three networks.

pub mod bound;
mod curve;
pub mod dqn;
mod environment;
mod epochs;
pub mod gated;
pub mod lstm;
mod optimiser;
pub mod ppo;
mod replay;
mod stage;
mod state;
mod watch;

pub use curve::Curves;
pub use environment::{Environment, Observation, Outcome};
pub use epochs::{Fitted, Schedule};
pub use state::State;
pub use watch::Watch;

/// A factor that falls from 1 to `last` along a half cosine while `done` goes from 0 to 1.
fn cosine_decay(done: f64, last: f64) -> f64 {
    last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos())
}
