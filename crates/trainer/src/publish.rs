//! Puts a trained network where services find it: `<models>/<layer>/<version>/{model.onnx,
//! manifest.yaml, training.csv}`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use strata_runtime::{
    DType, Data, ExecutionProvider, Feature, GraphFile, Input, Manifest, Model, ModelFiles,
    ModelOptions, OnnxRuntime, Output, Precision, Repository, Scalar, Shape, sha256_hex,
};

use crate::{
    contract::Layer,
    fit::Curves,
    nets::{self, Network},
    onnx::{self, Header},
    parity::{self, Parity},
    probe,
};

pub(crate) const GRAPH_FILE: &str = "model.onnx";
const MANIFEST_FILE: &str = "manifest.yaml";
const CURVES_FILE: &str = "training.csv";
/// Any seed does; a fixed one makes the measured error the same on every run.
const PARITY_SEED: u64 = 1;

/// Everything a manifest says beyond what the network itself knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Version, from 1.
    pub version: u32,
    /// Name and unit of each input column, in order.
    pub features: Vec<(String, String)>,
    /// What the positions of each output mean.
    pub labels: Vec<Vec<String>>,
    /// What it was trained on.
    pub data: Data,
    /// Settings of the training run.
    pub training: BTreeMap<String, Scalar>,
    /// Measured on held-out time.
    pub metrics: BTreeMap<String, f64>,
    /// How the fit went; nothing for a model made elsewhere.
    pub curves: Option<Curves>,
}

/// Writes `network` as ONNX with its manifest, after ONNX Runtime loaded the very bytes and agreed
/// with candle.
///
/// The version's directory appears at once and complete; one that was there before is replaced.
/// Returns the directory and the measured parity, which is also put into the manifest's metrics.
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
    keep_what_was_forced(models, &mut manifest);
    let curves = description.curves.as_ref().map(Curves::to_csv);
    Ok((place(models, &manifest, (&graph, curves.as_deref()))?, parity))
}

/// The graph that is there already, made again, passes the gate against itself; that it was forced once stays said.
fn keep_what_was_forced(models: &Path, manifest: &mut Manifest) {
    let before = Repository::open(models)
        .and_then(|repository| repository.load(&manifest.name, Some(manifest.version)));
    // None, or a damaged one, has nothing to hand down.
    let Ok(before) = before else { return };
    let before = before.manifest();
    if before.graph.sha256 == manifest.graph.sha256 {
        for key in ["forced", "forced_against"] {
            if let Some(said) = before.training.get(key) {
                manifest.training.entry(key.to_owned()).or_insert_with(|| said.clone());
            }
        }
    }
}

/// Writes a model that was proved. The version's directory appears at once and complete.
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
    replace(&directory, &files)
        .with_context(|| format!("cannot publish into {}", directory.display()))?;
    Ok(directory)
}

/// A published version that was found sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// How far candle and ONNX Runtime were apart; `None` for a graph that somebody else wrote.
    pub parity: Option<Parity>,
    /// Rows of valid input, random and extreme, whose outputs were finite.
    pub rows: usize,
    /// The same of its int8 variant; `None` when it has none.
    pub int8_rows: Option<usize>,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, parity, rows, int8_rows } = self;
        write!(f, "{name} {version}: ")?;
        match parity {
            Some(parity) => write!(f, "greatest relative error {:.1e}", parity.worst())?,
            None => f.write_str("not one of ours: parity skipped")?,
        }
        write!(f, ", outputs of {rows} rows finite")?;
        int8_rows.map_or(Ok(()), |rows| write!(f, "; int8: outputs of {rows} rows finite"))
    }
}

/// Checks every published version of every model in `models`: hash, manifest against graph and
/// against what its layer wants, finite outputs on random and extreme valid input, and parity with
/// the network rebuilt from the file, if the trainer wrote it; of an int8 variant all but the parity, and that it was made from the
/// graph beside it.
///
/// # Errors
/// With the first model that fails, or when there is none.
pub fn verify(models: &Path, runtime: &OnnxRuntime) -> Result<Vec<Verified>> {
    let repository = Repository::open(models)?;
    let mut verified = Vec::new();
    for name in repository.models()? {
        for version in repository.versions(&name)? {
            let found = verify_version(&repository, &name, version, runtime)
                .with_context(|| format!("model {name} version {version}"))?;
            verified.push(found);
        }
    }
    ensure!(!verified.is_empty(), "{} holds no model; run `make train`", models.display());
    Ok(verified)
}

fn verify_version(
    repository: &Repository,
    name: &str,
    version: u32,
    runtime: &OnnxRuntime,
) -> Result<Verified> {
    let files = repository.load(name, Some(version))?;
    let mut network = None;
    if Header::decode(files.graph())?.is_ours {
        let rebuilt = nets::from_onnx(files.graph())?;
        ensure!(rebuilt.layer() == name, "the graph is called {}", rebuilt.layer());
        network = Some(rebuilt);
    }
    let has_int8 = files.manifest().int8.is_some();
    let (parity, rows) = prove(network.as_deref(), files, runtime)?;
    let mut int8_rows = None;
    if has_int8 {
        let files = repository.load_as(name, Some(version), Precision::Int8)?;
        int8_rows = Some(prove(None, files, runtime).context("its int8 variant")?.1);
    }
    Ok(Verified { name: name.to_owned(), version, parity, rows, int8_rows })
}

/// The model on the CPU, after ONNX Runtime found that graph and manifest agree.
pub(crate) fn start(files: ModelFiles, runtime: &OnnxRuntime) -> Result<Model> {
    let options =
        ModelOptions { execution_provider: ExecutionProvider::Cpu, ..ModelOptions::default() };
    Ok(Model::start(runtime, files, &options)?)
}

/// Parity with `network`, and the number of rows whose outputs were found finite.
fn prove(
    network: Option<&dyn Network>,
    files: ModelFiles,
    runtime: &OnnxRuntime,
) -> Result<(Option<Parity>, usize)> {
    let name = &files.manifest().name;
    let layer = Layer::of_name(name)
        .with_context(|| format!("`{name}` is none of strategic, tactical and operational"))?;
    let bounds = layer.accepts(files.manifest())?;
    let model = start(files, runtime)?;
    let parity = network.map(|net| parity::check(net, &model, PARITY_SEED)).transpose()?;
    Ok((parity, probe::finite(&model, &bounds)?))
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
        data: Some(description.data.clone()),
        training: description.training.clone(),
        metrics: description.metrics.clone(),
        int8: None,
    };
    manifest.check()?;
    Ok(manifest)
}

/// Puts one file into a version's directory so that a reader sees the old content or the new, never a part.
pub(crate) fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    // A hidden name beside it: nobody takes notice of what an interrupted run leaves.
    let fresh = directory.join(format!(".{name}.new"));
    let mut file = fs::File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, directory.join(name))?;
    Ok(())
}

/// Fills `directory` with `files` so that a reader sees the old content or the new, never a part.
fn replace(directory: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let parent = directory.parent().context("a version's directory has a parent")?;
    let name = directory.file_name().context("a version's directory has a name")?;
    // Hidden names: a repository takes no notice of them.
    let beside = |what: &str| parent.join(format!(".{}.{what}", name.to_string_lossy()));
    let (fresh, stale) = (beside("new"), beside("old"));
    for leftover in [&fresh, &stale] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    fs::create_dir_all(&fresh)?;
    for (name, bytes) in files {
        let mut file = fs::File::create(fresh.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    let replaced = directory.exists();
    if replaced {
        fs::rename(directory, &stale)?;
    }
    if let Err(error) = fs::rename(&fresh, directory) {
        if replaced {
            fs::rename(&stale, directory)?;
        }
        return Err(error.into());
    }
    if replaced {
        fs::remove_dir_all(&stale)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_replaced_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let version = root.path().join("strategic/1");
        replace(&version, &[("a", b"1"), ("b", b"2")]).unwrap();
        replace(&version, &[("a", b"3")]).unwrap();
        assert_eq!(fs::read(version.join("a")).unwrap(), b"3");
        assert!(!version.join("b").exists(), "a file of the old version is left");
        let left: Vec<_> = fs::read_dir(version.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "something is left beside it: {left:?}");
    }

    #[test]
    fn leftovers_of_an_interrupted_run_do_not_matter() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(".1.new")).unwrap();
        fs::write(root.path().join(".1.new/half"), b"x").unwrap();
        replace(&root.path().join("1"), &[("a", b"1")]).unwrap();
        assert!(!root.path().join("1/half").exists());
    }
}
