//! Configuration: defaults, then a YAML file, then the environment, then flags.
//!
//! A configuration is a tree of plain serde structs. Its serialized default gives the names of all
//! settings: the leaf `grpc.listen` of the binary with the prefix `STRATA_STRATEGIC` is the flag
//! `--grpc-listen` and the variable `STRATA_STRATEGIC_GRPC_LISTEN`. Nothing is written twice.

mod command;
mod documented;
mod error;
mod limits;
mod listen;
mod load;
mod sections;
mod tree;

pub use documented::{Documented, Help, assert_documented};
pub use error::{ConfigError, Invalid};
pub(crate) use limits::check_time;
pub(crate) use listen::socket_path;
pub use listen::{Listen, ListenError, SocketMode};
pub use load::{Invocation, load};
pub(crate) use sections::FRAMING_BYTES;
pub use sections::{
    AdminConfig, GrpcConfig, LogConfig, LogFormat, OtlpConfig, RuntimeConfig, Sampler,
    ShutdownConfig, TelemetryConfig,
};

/// What a binary is called, by people and by its environment variables.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// The name of the executable, `strategic`; traces call the service `strata-<name>`.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// What all its environment variables begin with, without the last underscore:
    /// `STRATA_STRATEGIC`.
    pub env_prefix: &'static str,
    /// The version of the package: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
}

impl Binary {
    /// The environment variable of a setting, or of one of the loader's own names.
    fn variable(&self, path: &str) -> String {
        format!("{}_{}", self.env_prefix, path.replace('.', "_").to_ascii_uppercase())
    }
}
