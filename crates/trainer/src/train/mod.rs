//! The three training runs: data, fitting, held-out figures, publication.

mod forecast;
mod operational;
mod progress;
mod run;
mod strategic;
mod tactical;

pub use operational::{OperationalOptions, train as operational};
pub use run::{Run, RunOptions};
pub use strategic::{StrategicOptions, train as strategic};
pub use tactical::{TacticalOptions, train as tactical};

/// The version of networks on the research framework's inputs.
const RESEARCH: u32 = 1;
/// The version of networks on more features of the catalogue and the advice of the domain's formulas.
const EXTENDED: u32 = 2;

/// Learning rate of a placing network's first step, unless told otherwise. Version 1 starts from nothing; version 2 starts from advice, which great
/// steps would lose.
const fn placing_rate(research: bool) -> f64 {
    if research { 3e-4 } else { 1e-4 }
}
