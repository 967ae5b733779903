//! End to end: real processes on free ports, and what tests of them need.
//!
//! The programs come from the target directory of the profile that the tests are built with; `make
//! test` builds them first. Everything here panics when it fails: it is part of tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod http;
mod metrics;
mod patience;
mod ports;
mod process;
mod programs;
mod raw;
pub mod requests;
mod status;

pub use cluster::{Cluster, Shared};
pub use http::{Answer, get};
pub use metrics::metric;
pub use patience::{eventually, eventually_async};
pub use ports::free_ports;
pub use process::{Process, Spec, command, finish};
pub use programs::{program, root};
pub use raw::{PlainClient, decide_bytes, timed, untimed};
pub use status::violated_fields;
