//! The harness of the end-to-end tests: it starts real processes on free ports and talks to them.
//!
//! The programs come from the target directory of the profile that the tests are built with;
//! `make test` builds them first. Every function here panics when it fails, as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod callers;
mod cluster;
mod commands;
mod http;
mod layers;
mod metrics;
mod node;
mod ports;
mod process;
mod programs;
mod raw;
mod repository;
pub mod requests;
mod shared;
mod spec;
mod status;
mod streams;
mod waiting;

pub use callers::{Callers, Tally};
pub use cluster::Cluster;
pub use commands::{FUNCTION_FLAGS, Finished, command, finish, strata, strata_bench};
pub use http::{Answer, get};
pub use layers::LAYERS;
pub use metrics::metric;
pub use node::Node;
pub use ports::free_ports;
pub use process::Process;
pub use programs::{program, root};
pub use raw::{PlainClient, decide_bytes, patient, timed, untimed};
pub use repository::Repository;
pub use shared::{shared_cluster, shared_world};
pub use spec::Spec;
pub use status::{refused_fields, violated_fields};
pub use streams::decisions_until_error;
pub use waiting::{eventually, eventually_async};
