//! What every Strata process has: configuration, telemetry, metrics, health, limits, shutdown, a
//! gRPC server and a gRPC client.
//!
//! A binary's `main.rs` is a call of [`run`] with a [`Binary`], a configuration type that
//! implements [`ProcessConfig`], and an async function that binds a [`Server`], builds its
//! services and serves them until the [`Drain`] is over.
//!
//! What this crate never does: it knows no decision, no model and no message of Strata's own
//! contract. Metrics registries, drains and health are handed down, never global.

mod activity;
mod client;
mod config;
mod deadline;
mod drain;
mod fair;
mod in_flight;
mod metrics;
mod process;
mod report;
mod server;
mod telemetry;

pub mod trace;

pub use activity::Activity;
pub use client::{Backoff, ClientConfig, ClientError, channel};
pub use config::{
    AdminConfig, Binary, Check, ConfigError, GrpcConfig, HumanDuration, Invalid, Invocation,
    Listen, ListenError, LogConfig, LogFormat, OtlpConfig, RuntimeConfig, Sampler, Setting,
    ShutdownConfig, SocketMode, TelemetryConfig, Timeout, assert_documented, check_sections, load,
    settings,
};
pub use deadline::{Deadline, micros};
pub use drain::{Drain, DrainGuard};
pub use fair::{FairReceiver, FairSender, Refused, fair_channel};
pub use in_flight::{Flight, InFlight, settle};
pub use metrics::{Metrics, SECONDS_BUCKETS};
pub use process::{Process, ProcessConfig, ProcessSettings, run};
pub use report::{BoxError, report};
pub use server::{HealthHandle, InWork, Peer, Server, ServerError, Services};
pub use telemetry::{Telemetry, TelemetryError};
