//! All four services in one process, for a machine of its own at the edge or on a desk: the
//! coordinator asks the layers by a call instead of over a stream. Everything else is as in the
//! cluster, ports included.

mod config;
mod process;
mod runtime;

pub use config::NodeConfig;
pub use process::{run, settings};
