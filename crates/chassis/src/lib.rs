//! What every Strata process has: configuration, telemetry, metrics, health, limits, shutdown, a
//! gRPC server and a gRPC client.
//!
//! A binary's `main.rs` is a call of [`run`] with a [`Binary`], a configuration type that
//! implements [`ProcessConfig`], and an async function that binds a [`Server`], builds its
//! services and serves them until the [`Drain`] is over.
//!
//! What this crate never does: it knows no decision, no model and no message of Strata's own
//! contract. Metrics registries, drains and health are handed down, never global.

mod backoff;
mod client;
mod config;
mod deadline;
mod drain;
mod fair;
mod idle_poll;
mod in_flight;
mod metrics;
mod process;
mod report;
mod server;
mod signals;
mod telemetry;

pub mod trace;

pub use backoff::Backoff;
pub use client::{ClientConfig, ClientError, channel};
pub use config::{
    AdminConfig, Binary, ConfigError, Documented, GrpcConfig, Help, Invalid, Invocation, Listen,
    ListenError, LogConfig, LogFormat, OtlpConfig, RuntimeConfig, Sampler, ShutdownConfig,
    SocketMode, TelemetryConfig, assert_documented, load,
};
pub use deadline::Deadline;
pub use drain::{Drain, DrainGuard};
pub use fair::{FairReceiver, FairSender, Refused, fair_channel};
pub use idle_poll::Pulse;
pub use in_flight::{Flight, InFlight, settle};
pub use metrics::{Metrics, SECONDS_BUCKETS};
pub use process::{BoxError, Process, ProcessConfig, ProcessSettings, run};
pub use report::report;
pub use server::{HealthHandle, InWork, Peer, Server, ServerError, Services};
pub use telemetry::{Telemetry, TelemetryError};
