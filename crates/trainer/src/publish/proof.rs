//! Proves that a model can be served before it is published.

use anyhow::{Context, Result};
use strata_runtime::{ExecutionProvider, Model, ModelFiles, ModelOptions, OnnxRuntime};

use super::{
    parity::{self, Parity},
    probe,
};
use crate::{contract::DecisionLayer, nets::Network};

/// Any seed would do; a fixed one gives the same measured error on every run.
const PARITY_SEED: u64 = 1;

/// Loads a model on the CPU. ONNX Runtime checks the graph against the manifest.
pub(crate) fn start(files: ModelFiles, runtime: &OnnxRuntime) -> Result<Model> {
    let options =
        ModelOptions { execution_provider: ExecutionProvider::Cpu, ..ModelOptions::default() };
    Ok(Model::start(runtime, files, &options)?)
}

/// Checks a model: what its layer requires, parity with `network` if there is one, and finite
/// outputs. Returns the parity and the number of rows whose outputs are finite.
///
/// # Errors
/// With the first check that fails.
pub(super) fn prove(
    network: Option<&dyn Network>,
    files: ModelFiles,
    runtime: &OnnxRuntime,
) -> Result<(Option<Parity>, usize)> {
    let name = &files.manifest().name;
    let layer = DecisionLayer::of_name(name)
        .with_context(|| format!("`{name}` is none of strategic, tactical and operational"))?;
    let bounds = layer.accepts(files.manifest())?;
    let model = start(files, runtime)?;
    let parity = network.map(|net| parity::check(net, &model, PARITY_SEED)).transpose()?;
    Ok((parity, probe::finite(&model, &bounds)?))
}
