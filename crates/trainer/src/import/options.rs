//! The model to import, and where it comes from.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use strata_runtime::{Data, Scalar};

use crate::contract::DecisionLayer;

/// The model to import, and the version that it becomes.
#[derive(Debug, Clone, clap::Args)]
pub struct Import {
    /// The layer that the model serves.
    #[arg(long)]
    pub layer: DecisionLayer,
    /// A PyTorch checkpoint (.pt, .pth, .safetensors) or an ONNX graph (.onnx).
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The checkpoint's features in order, with the scaling that it was trained with.
    #[arg(long, value_name = "YAML", conflicts_with = "features")]
    pub scaler: Option<PathBuf>,
    /// The features of an ONNX graph in order [default: those of the layer's version 1].
    #[arg(long, value_name = "YAML")]
    pub features: Option<PathBuf>,
    /// The model repository to publish into.
    #[arg(long, default_value = "models")]
    pub models: PathBuf,
    /// The version to publish as [default: the next one].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
}

impl Import {
    /// The version to publish as, which does not exist yet.
    ///
    /// # Errors
    /// When the version exists, or the repository cannot be listed.
    pub(super) fn free_version(&self) -> Result<u32> {
        let layer = self.models.join(self.layer.name());
        if let Some(version) = self.version {
            let directory = layer.join(version.to_string());
            ensure!(
                !directory.exists(),
                "{} is there already, and a published version is never changed; leave --version \
                 out for the next one",
                directory.display()
            );
            return Ok(version);
        }
        if !layer.exists() {
            return Ok(1);
        }
        let entries =
            fs::read_dir(&layer).with_context(|| format!("cannot list {}", layer.display()))?;
        let mut newest = 0u32;
        for entry in entries {
            let name = entry?.file_name();
            newest = newest.max(name.to_string_lossy().parse().unwrap_or(0));
        }
        newest.checked_add(1).context("there is no version after the last one")
    }
}

/// The files that a model came from, for its manifest: name and sha256 of the model, and sha256 of
/// its scaler.yaml.
pub(super) struct Origin {
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) scaler: Option<String>,
}

impl Origin {
    pub(super) fn data(&self) -> Data {
        Data {
            trace: format!("unknown: imported from {} (sha256 {})", self.file, self.sha256),
            splits: "unknown: imported, nothing was measured on held-out time".to_owned(),
            seed: None,
        }
    }

    pub(super) fn training(&self) -> BTreeMap<String, Scalar> {
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
