//! Bring your own model: a PyTorch checkpoint or an ONNX graph becomes a published version.

mod archive;
mod checkpoint;
mod graph;
mod pickle;
mod scaler;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use candle_core::safetensors::SliceSafetensors;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::{operational, strategic, tactical};
use strata_runtime::{Data, OnnxRuntime, Scalar, sha256_hex};

use self::{checkpoint::Checkpoint, scaler::Scaler};
use crate::{
    contract::Layer,
    nets::{Network, OperationalNet, StrategicNet, TacticalNet},
    publish::{Description, publish},
    scaling::Scaling,
};

/// Largest checkpoint or graph that is read, as for the services.
pub const FILE_LIMIT: u64 = strata_runtime::DEFAULT_GRAPH_LIMIT;
/// Largest scaler.yaml or features.yaml that is read.
const TEXT_LIMIT: u64 = 256 << 10;
/// The first layer of the workload's encoder: its width says how the features are grouped.
const WORKLOAD_WEIGHT: &str = "strategic_encoder.0.weight";

/// What to import, and as what.
#[derive(Debug, Clone, clap::Args)]
pub struct Import {
    /// The layer that the model serves.
    #[arg(long)]
    pub layer: Layer,
    /// A PyTorch checkpoint (.pt, .pth, .safetensors) or an ONNX graph (.onnx).
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The features in order with the scaling the checkpoint was trained under.
    #[arg(long, value_name = "YAML", conflicts_with = "features")]
    pub scaler: Option<PathBuf>,
    /// The features of an ONNX graph in order [default: those of the layer].
    #[arg(long, value_name = "YAML")]
    pub features: Option<PathBuf>,
    /// Directory that models are published in.
    #[arg(long, default_value = "models")]
    pub models: PathBuf,
    /// The version it becomes [default: the next one].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
}

/// Where a model came from, for its manifest.
struct Origin {
    file: String,
    sha256: String,
    scaler: Option<String>,
}

impl Origin {
    fn data(&self) -> Data {
        Data {
            trace: format!("unknown: imported from {} (sha256 {})", self.file, self.sha256),
            splits: "unknown: imported, nothing was measured on held-out time".to_owned(),
            seed: None,
        }
    }

    fn training(&self) -> BTreeMap<String, Scalar> {
        let mut training = BTreeMap::from([
            ("imported_from".to_owned(), self.file.as_str().into()),
            ("imported_sha256".to_owned(), self.sha256.as_str().into()),
            ("measured".to_owned(), "nothing: trained elsewhere".into()),
        ]);
        if let Some(scaler) = &self.scaler {
            training.insert("scaler_sha256".to_owned(), scaler.as_str().into());
        }
        training
    }
}

/// Reads, checks, proves and publishes; returns the version's directory.
///
/// # Errors
/// When the file is not what it should be, differs from what the layer wants (both sides are
/// shown), gives an output that is not finite, or the version is there already. Nothing is
/// published then.
pub fn import(options: &Import, runtime: &OnnxRuntime) -> Result<PathBuf> {
    let version = version(options)?;
    let bytes = read(&options.file, FILE_LIMIT)?;
    let name = options.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut origin = Origin { file: name, sha256: sha256_hex(&bytes), scaler: None };
    let said = || format!("cannot import {}", options.file.display());
    let extension = options.file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if extension == "onnx" {
        ensure!(options.scaler.is_none(), "a graph does its own scaling: give --features instead");
        let bounds = match &options.features {
            Some(path) => scaler::features(&text(path)?, options.layer)
                .with_context(|| format!("cannot use {}", path.display()))?,
            None => options.layer.default_features()?,
        };
        return graph::import(options, (&bytes, &origin), (version, &bounds), runtime)
            .with_context(said);
    }
    let path = options.scaler.as_ref().context("a checkpoint needs --scaler scaler.yaml")?;
    let scaler = text(path)?;
    origin.scaler = Some(sha256_hex(scaler.as_bytes()));
    let network = match extension.as_str() {
        "pt" | "pth" => {
            let checkpoint = Checkpoint::torch(&bytes).with_context(said)?;
            network(options, (path, &scaler), &checkpoint)
        }
        "safetensors" => {
            checkpoint::check_safetensors_header(&bytes).with_context(said)?;
            let file = SliceSafetensors::new(&bytes).with_context(said)?;
            let checkpoint = Checkpoint::safetensors(&file, &bytes).with_context(said)?;
            network(options, (path, &scaler), &checkpoint)
        }
        other => bail!("files end with .pt, .pth, .safetensors or .onnx, not `.{other}`"),
    };
    let (network, features) = network.with_context(said)?;
    let description = Description {
        version,
        features,
        labels: options.layer.labels(),
        data: origin.data(),
        training: origin.training(),
        metrics: BTreeMap::new(),
        curves: None,
    };
    let (directory, _) =
        publish(&options.models, network.as_ref(), &description, runtime).with_context(said)?;
    Ok(directory)
}

type Imported = (Box<dyn Network>, Vec<(String, String)>);

/// The network with the checkpoint's weights, and its features.
fn network(
    options: &Import,
    (path, text): (&Path, &str),
    checkpoint: &Checkpoint<'_>,
) -> Result<Imported> {
    let said = || format!("cannot use {}", path.display());
    let scaler = Scaler::parse(text).with_context(said)?;
    let (bounds, scaling) = scaler.scaling(options.layer).with_context(said)?;
    if options.layer != Layer::Operational {
        scaler.no_output(options.layer).with_context(said)?;
    }
    // Any weights do: they are all overwritten.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let network: Box<dyn Network> = match options.layer {
        Layer::Strategic => {
            let workload = workload(checkpoint, &scaling);
            Box::new(StrategicNet::new(scaling, workload, strategic::ACTIONS, &mut rng)?)
        }
        Layer::Tactical => Box::new(TacticalNet::new(scaling, tactical::ACTIONS, &mut rng)?),
        Layer::Operational => {
            let outputs = scaler.operational_outputs().with_context(said)?;
            let steps = operational::WINDOW_STEPS;
            Box::new(OperationalNet::new(scaling, steps, outputs, &mut rng)?)
        }
    };
    let parameters = checkpoint.parameters(network.parameters())?;
    network.parameters().copy_from(&parameters)?;
    let features = bounds.iter().map(|b| (b.name.to_owned(), b.unit.to_owned())).collect();
    Ok((network, features))
}

/// How many of the features are workload features: as many as the checkpoint's encoder takes. When
/// that cannot be, what is told is how the shapes differ from the usual grouping.
fn workload(checkpoint: &Checkpoint<'_>, scaling: &Scaling) -> usize {
    let found = checkpoint.shape(WORKLOAD_WEIGHT).and_then(|shape| shape.get(1).copied());
    let most = scaling.width().saturating_sub(1);
    found.filter(|width| (1..=most).contains(width)).unwrap_or(most.clamp(1, 10))
}

/// The version to publish as, which is not there yet.
fn version(options: &Import) -> Result<u32> {
    let layer = options.models.join(options.layer.name());
    if let Some(version) = options.version {
        let directory = layer.join(version.to_string());
        ensure!(
            !directory.exists(),
            "{} is there already, and a published version is never changed; leave --version out \
             for the next one",
            directory.display()
        );
        return Ok(version);
    }
    if !layer.exists() {
        return Ok(1);
    }
    let mut newest = 0u32;
    for entry in fs::read_dir(&layer).with_context(|| format!("cannot list {}", layer.display()))? {
        let name = entry?.file_name();
        newest = newest.max(name.to_string_lossy().parse().unwrap_or(0));
    }
    newest.checked_add(1).context("there is no version after the last one")
}

/// Reads a file of at most `limit` bytes, whatever its metadata says.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let said = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(said)?;
    let metadata = file.metadata().with_context(said)?;
    ensure!(metadata.is_file(), "{} is not a file", path.display());
    ensure!(
        metadata.len() <= limit,
        "{} has {} bytes, at most {limit} are read",
        path.display(),
        metadata.len()
    );
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).with_context(said)?;
    Ok(bytes)
}

fn text(path: &Path) -> Result<String> {
    let bytes = read(path, TEXT_LIMIT)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}
