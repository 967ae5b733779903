//! The three training runs: data, fitting, held-out figures, publication.

mod operational;
mod progress;
mod run;
mod strategic;
mod tactical;

pub use operational::{OperationalOptions, train as operational};
pub use run::{Run, RunOptions};
pub use strategic::{StrategicOptions, train as strategic};
pub use tactical::{TacticalOptions, train as tactical};

/// The version that is published.
const VERSION: u32 = 1;
