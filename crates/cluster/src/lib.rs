//! The four services as child processes: started in order, waited for until ready, drained.
//!
//! This crate sends no decision request: it knows the programs, their ports and their settings.

mod child;
mod cluster;
mod flags;
mod free_ports;
mod plan;
mod serve;
mod service;
mod settings;
mod sockets;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use child::LogSink;
pub use cluster::{Cluster, Options, own_dir};
pub use flags::StartFlags;
pub use free_ports::free_ports;
pub use plan::{Plan, Ports};
pub use serve::{Ended, Running, serve};
pub use service::Service;
