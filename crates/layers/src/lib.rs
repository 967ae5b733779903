//! The three layer services: thin adapters between the contract, the encoding of each model and
//! ONNX Runtime.
//!
//! A layer never calls another layer and never calls the coordinator. Its only state is which
//! versions of its model are loaded and how they share the traffic: any replica can answer any row.

mod adapter;
mod config;
mod in_process;
mod layers;
mod metrics;
mod models;
mod oip;
mod process;
mod serving;

pub use config::{InferenceConfig, LayerSection, ModelsConfig};
pub use in_process::{InProcess, start_operational, start_strategic, start_tactical};
pub use models::{NoPolicy, Policy};

use std::process::ExitCode;

use strata_chassis::{Binary, ConfigError, Setting};

/// Runs the strategic layer: all of its `main`.
pub fn strategic() -> ExitCode {
    process::run::<adapter::Strategic>()
}

/// Runs the tactical layer: all of its `main`.
pub fn tactical() -> ExitCode {
    process::run::<adapter::Tactical>()
}

/// Runs the operational layer: all of its `main`.
pub fn operational() -> ExitCode {
    process::run::<adapter::Operational>()
}

/// The programs of the three layers and their settings, for the documentation.
///
/// # Errors
/// Default settings that cannot be serialized.
pub fn settings() -> Result<[(Binary, Vec<Setting>); 3], ConfigError> {
    Ok([
        process::settings::<adapter::Strategic>()?,
        process::settings::<adapter::Tactical>()?,
        process::settings::<adapter::Operational>()?,
    ])
}
