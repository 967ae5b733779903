//! The three layer services: thin adapters between the contract, the meaning of a model and ONNX Runtime.
//!
//! A layer never calls another layer and never calls the coordinator. It keeps no state but which versions of its model answer: any replica can
//! answer any row.

mod adapter;
#[cfg(test)]
mod adapter_tests;
mod config;
mod engine;
mod facts;
mod frame;
mod gather;
#[cfg(test)]
mod gather_tests;
mod local;
mod metrics;
mod models;
mod oip;
mod operational;
mod process;
mod reading;
mod rows;
mod runner;
mod served;
mod strategic;
mod stream;
mod tactical;
mod version_metrics;
mod versions;

pub use config::{InferenceConfig, LayerSection, ModelsConfig};
pub use local::{
    Handle, LocalLayer, LocalQuestion, start_operational, start_strategic, start_tactical,
};
pub use versions::{NoPolicy, Policy};

use std::process::ExitCode;

/// Runs the strategic layer: the whole of its `main`.
pub fn strategic() -> ExitCode {
    process::run::<strategic::Strategic>()
}

/// Runs the tactical layer: the whole of its `main`.
pub fn tactical() -> ExitCode {
    process::run::<tactical::Tactical>()
}

/// Runs the operational layer: the whole of its `main`.
pub fn operational() -> ExitCode {
    process::run::<operational::Operational>()
}
