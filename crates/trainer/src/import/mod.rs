//! Bring your own model: publishes a PyTorch checkpoint or an ONNX graph as a new version.

mod archive;
mod checkpoint;
mod graph;
mod network;
mod options;
mod pickle;
mod scaler;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use candle_core::safetensors::SliceSafetensors;
use strata_runtime::{OnnxRuntime, sha256_hex};

use self::{
    checkpoint::Checkpoint,
    network::{ScalerFile, network},
    options::Origin,
};
use crate::{
    files,
    publish::{Description, publish},
};

pub use options::Import;

/// Largest checkpoint or graph that is read, as for the services.
pub const FILE_LIMIT: u64 = strata_runtime::DEFAULT_GRAPH_LIMIT;
/// Largest scaler.yaml or features.yaml that is read.
const TEXT_LIMIT: u64 = 256 << 10;

/// Reads, checks, proves and publishes a model; returns the version's directory.
///
/// # Errors
/// When the file is damaged or of another format, differs from what the layer requires (the message
/// shows both sides), gives an output that is not finite, or the version exists already. Nothing is
/// published then.
pub fn import(options: &Import, runtime: &OnnxRuntime) -> Result<PathBuf> {
    let version = options.free_version()?;
    let bytes = files::read(&options.file, FILE_LIMIT)?;
    let name = options.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let origin = Origin { file: name, sha256: sha256_hex(&bytes), scaler: None };
    let model = Source { options, version, bytes: &bytes, origin };
    let extension = options.file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "onnx" => import_graph(&model, runtime),
        other => import_checkpoint(model, other, runtime),
    }
}

/// A model as it was read.
struct Source<'a> {
    options: &'a Import,
    /// The version that it becomes.
    version: u32,
    bytes: &'a [u8],
    origin: Origin,
}

impl Source<'_> {
    fn context(&self) -> String {
        format!("cannot import {}", self.options.file.display())
    }
}

fn import_graph(source: &Source<'_>, runtime: &OnnxRuntime) -> Result<PathBuf> {
    let Source { options, version, bytes, origin } = source;
    ensure!(options.scaler.is_none(), "a graph does its own scaling: give --features instead");
    let bounds = match &options.features {
        Some(path) => scaler::features(&text(path)?, options.layer)
            .with_context(|| format!("cannot use {}", path.display()))?,
        None => options.layer.default_features()?,
    };
    graph::import(options, (*bytes, origin), (*version, &bounds), runtime)
        .with_context(|| source.context())
}

fn import_checkpoint(
    mut source: Source<'_>,
    extension: &str,
    runtime: &OnnxRuntime,
) -> Result<PathBuf> {
    let Source { options, bytes, .. } = source;
    let path = options.scaler.as_ref().context("a checkpoint needs --scaler scaler.yaml")?;
    let text = text(path)?;
    source.origin.scaler = Some(sha256_hex(text.as_bytes()));
    let scaler = ScalerFile { path, text: &text };
    let context = || source.context();
    let imported = match extension {
        "pt" | "pth" => {
            let checkpoint = Checkpoint::torch(bytes).with_context(context)?;
            network(options.layer, &scaler, &checkpoint)
        }
        "safetensors" => {
            checkpoint::check_safetensors_header(bytes).with_context(context)?;
            let file = SliceSafetensors::new(bytes).with_context(context)?;
            let checkpoint = Checkpoint::safetensors(&file, bytes).with_context(context)?;
            network(options.layer, &scaler, &checkpoint)
        }
        other => bail!("files end with .pt, .pth, .safetensors or .onnx, not `.{other}`"),
    };
    let (network, features) = imported.with_context(context)?;
    let description = Description {
        version: source.version,
        features,
        labels: options.layer.labels(),
        data: source.origin.data(),
        training: source.origin.training(),
        metrics: BTreeMap::new(),
        curves: None,
    };
    let published = publish(&options.models, network.as_ref(), &description, runtime);
    let (directory, _) = published.with_context(context)?;
    Ok(directory)
}

fn text(path: &Path) -> Result<String> {
    let bytes = files::read(path, TEXT_LIMIT)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}
