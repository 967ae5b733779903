//! Publishes a network where services find it:
//! `<models>/<layer>/<version>/{model.onnx, manifest.yaml, training.csv}`.

pub mod gate;
pub mod parity;
mod probe;
mod proof;
mod verify;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use strata_runtime::{
    DType, Data, Feature, GraphFile, Input, MANIFEST_FILE, Manifest, ModelFiles, OnnxRuntime,
    Output, Policy, Repository, Scalar, Shape, sha256_hex,
};

use self::{parity::Parity, proof::prove};
use crate::{
    files,
    fit::{Curves, VALIDATION},
    nets::Network,
    onnx,
};

pub(crate) use probe::finite;
pub(crate) use proof::start;
pub use verify::{Agreement, Verified, verify};

pub(crate) const GRAPH_FILE: &str = "model.onnx";
const CURVES_FILE: &str = "training.csv";

/// The content of a manifest beyond what the network itself knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Version, from 1.
    pub version: u32,
    /// Name and unit of each input column, in order.
    pub features: Vec<(String, String)>,
    /// The labels of each output's positions.
    pub labels: Vec<Vec<String>>,
    /// The training data.
    pub data: Data,
    /// Settings of the training run.
    pub training: BTreeMap<String, Scalar>,
    /// Figures measured on held-out time.
    pub metrics: BTreeMap<String, f64>,
    /// The course of the fit; `None` for a model that was trained elsewhere.
    pub curves: Option<Curves>,
}

/// Writes `network` as ONNX with its manifest, after ONNX Runtime has loaded those bytes and agreed
/// with candle.
///
/// The version's directory appears at once and complete; one that existed before is replaced.
/// Returns the directory and the measured parity, which the manifest's metrics contain too.
///
/// # Errors
/// When the description does not fit the network, parity fails, or a file cannot be written.
pub fn publish(
    models: &Path,
    network: &dyn Network,
    description: &Description,
    runtime: &OnnxRuntime,
) -> Result<(PathBuf, Parity)> {
    let graph = network.to_onnx()?;
    let mut manifest = manifest(network, description, &graph)?;
    let files = ModelFiles::new(manifest.clone(), graph.clone())?;
    let (parity, _) = prove(Some(network), files, runtime)?;
    let parity = parity.context("parity was not measured")?;
    manifest.metrics.insert("parity_max_relative_error".to_owned(), parity.worst());
    keep_forced_notes(models, &mut manifest);
    let curves = description.curves.as_ref().map(Curves::to_csv);
    Ok((place(models, &manifest, (&graph, curves.as_deref()))?, parity))
}

/// Copies the notes of a forced publication from the version before if the graph is the same: made
/// again, the graph passes the gate against itself, which says nothing about why it was forced.
fn keep_forced_notes(models: &Path, manifest: &mut Manifest) {
    let before = Repository::open(models)
        .and_then(|repository| repository.load(&manifest.name, Some(manifest.version)));
    // A missing or damaged version has no notes.
    let Ok(before) = before else { return };
    let before = before.manifest();
    if before.graph.sha256 == manifest.graph.sha256 {
        for key in ["forced", "forced_against"] {
            if let Some(note) = before.training.get(key) {
                manifest.training.entry(key.to_owned()).or_insert_with(|| note.clone());
            }
        }
    }
}

/// Writes a model that has been proved. The version's directory appears at once and complete; one
/// that existed before is replaced. Returns the directory.
///
/// `curves` is the text of its training.csv, if it has one.
pub(crate) fn place(
    models: &Path,
    manifest: &Manifest,
    (graph, curves): (&[u8], Option<&str>),
) -> Result<PathBuf> {
    let directory = models.join(&manifest.name).join(manifest.version.to_string());
    let text = manifest.to_yaml()?;
    let mut files = vec![(GRAPH_FILE, graph), (MANIFEST_FILE, text.as_bytes())];
    files.extend(curves.map(|curves| (CURVES_FILE, curves.as_bytes())));
    files::replace_directory(&directory, &files)
        .with_context(|| format!("cannot publish into {}", directory.display()))?;
    Ok(directory)
}

/// Whether training improved a network that starts from the expected objectives; `None` for a
/// network that does not take them.
fn policy(description: &Description) -> Option<Policy> {
    let starts_from_formula =
        description.features.iter().any(|(name, _)| name.starts_with("expected_objective"));
    let curves = description.curves.as_ref().filter(|_| starts_from_formula)?;
    match curves.best_step(VALIDATION) {
        Some(step) if step > 0.0 => Some(Policy::Learned),
        _ => Some(Policy::Formula),
    }
}

fn manifest(network: &dyn Network, description: &Description, graph: &[u8]) -> Result<Manifest> {
    let outputs = network.outputs();
    ensure!(
        outputs.len() == description.labels.len(),
        "{} outputs need as many lists of labels",
        outputs.len()
    );
    let input = network.input();
    let features = description.features.iter();
    let manifest = Manifest {
        name: network.layer().to_owned(),
        version: description.version,
        graph: GraphFile {
            file: GRAPH_FILE.to_owned(),
            sha256: sha256_hex(graph),
            opset: onnx::OPSET,
        },
        axis: None,
        inputs: vec![Input {
            name: input.name.to_owned(),
            shape: Shape::new(input.shape),
            dtype: DType::F32,
            features: features
                .map(|(name, unit)| Feature { name: name.clone(), unit: unit.clone() })
                .collect(),
        }],
        outputs: outputs
            .into_iter()
            .zip(&description.labels)
            .map(|(port, labels)| Output {
                name: port.name.to_owned(),
                shape: Shape::new(port.shape),
                labels: labels.clone(),
            })
            .collect(),
        policy: policy(description),
        data: Some(description.data.clone()),
        training: description.training.clone(),
        metrics: description.metrics.clone(),
        int8: None,
    };
    manifest.check()?;
    Ok(manifest)
}
