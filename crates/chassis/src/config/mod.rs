//! Configuration: defaults, then a YAML file, then the environment, then flags.
//!
//! A configuration is a tree of plain serde structs. Its serialized default gives the names of all
//! settings: the leaf `grpc.listen` of the binary with the prefix `STRATA_STRATEGIC` is the flag
//! `--grpc-listen` and the variable `STRATA_STRATEGIC_GRPC_LISTEN`. The doc comment of its field is
//! its text in `--help` and in docs/settings.md, and the field's `range` attribute is its range.
//! Nothing is written twice.

mod binary;
mod check;
mod command;
mod documented;
mod duration;
mod error;
mod listen;
mod load;
mod sections;
mod setting;
mod tree;

pub(crate) use listen::socket_path;
pub(crate) use sections::{FRAMING_BYTES, MAX_WINDOW};

pub use binary::Binary;
pub use check::{Check, check_sections};
pub use documented::assert_documented;
pub use duration::{HumanDuration, Timeout};
pub use error::{ConfigError, Invalid};
pub use listen::{Listen, ListenError, SocketMode};
pub use load::{Invocation, load};
pub use sections::{
    AdminConfig, GrpcConfig, LogConfig, LogFormat, OtlpConfig, RuntimeConfig, Sampler,
    ShutdownConfig, TelemetryConfig,
};
pub use setting::{Setting, settings};
