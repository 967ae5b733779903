//! All four services in one process, for a single machine such as an edge server or a workstation.
//! The coordinator asks the layers by function calls instead of streams. Everything else equals the
//! cluster, ports included.

mod config;
mod process;
mod runtime;

pub use config::NodeConfig;
pub use process::{run, settings};
