//! Checks published models.

use std::{fmt, path::Path};

use anyhow::{Context, Result, ensure};
use strata_runtime::{OnnxRuntime, Precision, Repository};

use super::{parity::Parity, proof::prove};
use crate::{formula, nets, onnx::Header};

/// A published version that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// What the graph was compared with.
    pub agreement: Agreement,
    /// Rows of valid input, random and extreme, whose outputs are finite.
    pub rows: usize,
    /// The same for its int8 variant; `None` when it has none.
    pub int8_rows: Option<usize>,
}

/// What a graph was compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Agreement {
    /// The network that was rebuilt from it: the difference between candle and ONNX Runtime.
    Network(Parity),
    /// The formula that its manifest says it is: its scores are the expected objectives.
    Formula,
    /// Nothing: the trainer did not write it.
    Unknown,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, agreement, rows, int8_rows } = self;
        write!(f, "{name} {version}: ")?;
        match agreement {
            Agreement::Network(parity) => {
                write!(f, "greatest relative error {:.1e}", parity.worst())?;
            }
            Agreement::Formula => f.write_str("scores are the expected objectives")?,
            Agreement::Unknown => f.write_str("not one of ours: parity skipped")?,
        }
        write!(f, ", outputs of {rows} rows finite")?;
        int8_rows.map_or(Ok(()), |rows| write!(f, "; int8: outputs of {rows} rows finite"))
    }
}

/// Checks every published version of every model in `models`: the hash, the manifest against the
/// graph and against the requirements of the layer, finite outputs on random and extreme valid
/// input, and parity with the network rebuilt from the file if the trainer wrote it. An int8
/// variant passes all but the parity check, and must have been made from the graph beside it.
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
    if files.manifest().axis.is_some() {
        let rows = formula::verify(files, runtime)?;
        let name = name.to_owned();
        let agreement = Agreement::Formula;
        return Ok(Verified { name, version, agreement, rows, int8_rows: None });
    }
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
    let agreement = parity.map_or(Agreement::Unknown, Agreement::Network);
    Ok(Verified { name: name.to_owned(), version, agreement, rows, int8_rows })
}
