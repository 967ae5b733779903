//! The three training runs: data, fit, held-out figures, publication.

mod operational;
mod placing;
mod progress;
mod run;
mod strategic;
mod tactical;

pub use operational::{OperationalOptions, train as operational};
pub use run::{Run, RunOptions};
pub use strategic::{StrategicOptions, train as strategic};
pub use tactical::{TacticalOptions, train as tactical};
