//! The Open Inference Protocol: serves the model as tensors to clients made for Triton and KServe.
//!
//! Its rows run through the same [`Runner`](crate::models::Runner)s as those of the layer's own
//! service, within the same bounds. Errors have Triton's codes.

#[cfg(test)]
mod axis_tests;
mod control;
mod decode;
#[cfg(test)]
mod decode_tests;
mod encode;
mod infer;
mod metadata;
#[cfg(test)]
mod model_tests;
mod served;
mod service;
mod statistics;
mod stream;
mod tensor;

pub(crate) use control::Control;
pub(crate) use service::server;

use std::sync::Arc;

use strata_chassis::Drain;
use strata_runtime::Repository;

use crate::{
    metrics::LayerMetrics,
    models::{FileAccess, Runners},
};

/// The service of the protocol for one layer: a cheap handle.
#[derive(Clone)]
pub(crate) struct Oip(Arc<Parts>);

/// The parts of the service.
pub(crate) struct Parts {
    /// Name of the layer.
    pub(crate) layer: &'static str,
    pub(crate) runners: Arc<dyn Runners>,
    /// Loads and unloads the same versions.
    pub(crate) control: Arc<dyn Control>,
    pub(crate) metrics: LayerMetrics,
    pub(crate) repository: Repository,
    pub(crate) files: FileAccess,
    pub(crate) drain: Drain,
}

impl Oip {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// A word from a client, for an error message: short, and without control characters of a terminal.
fn quoted(word: &str) -> String {
    const LONGEST: usize = 64;
    let mut short: String = word.chars().take(LONGEST).flat_map(char::escape_default).collect();
    if word.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    format!("`{short}`")
}
