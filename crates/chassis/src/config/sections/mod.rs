//! Sections that several binaries share.

mod listeners;
mod process;
mod telemetry;

pub(crate) use listeners::{FRAMING_BYTES, MAX_WINDOW};

pub use listeners::{AdminConfig, GrpcConfig};
pub use process::{RuntimeConfig, ShutdownConfig};
pub use telemetry::{LogConfig, LogFormat, OtlpConfig, Sampler, TelemetryConfig};
