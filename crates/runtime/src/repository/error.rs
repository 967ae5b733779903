use std::{io, path::PathBuf};

use super::manifest::{MANIFEST_FILE, MODEL_NAME_RULE, ManifestError};

/// Why a model could not be found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// A directory or file could not be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Not a valid name of a model.
    #[error("`{0}` is not a model name: {MODEL_NAME_RULE}")]
    Name(String),
    /// The repository has no version of the model.
    #[error(
        "no version of model `{model}` in {}: expected {model}/<version>/{MANIFEST_FILE}",
        root.display()
    )]
    NoModel {
        /// The model asked for.
        model: String,
        /// The repository's directory.
        root: PathBuf,
    },
    /// The repository has the model, but not this version.
    #[error("model `{model}` has no version {version}; it has {}", list(available))]
    NoVersion {
        /// The model asked for.
        model: String,
        /// The version asked for.
        version: u32,
        /// The versions there are, ascending.
        available: Vec<u32>,
    },
    /// A manifest could not be read.
    #[error("cannot use the model in {}", dir.display())]
    Manifest {
        /// The version's directory.
        dir: PathBuf,
        /// What is wrong with the manifest.
        #[source]
        source: ManifestError,
    },
    /// The directory is named for another model or version than the manifest in it.
    #[error(
        "{} should hold `{model}` version {version}, its manifest says `{}` version {}",
        dir.display(), found.0, found.1
    )]
    Misplaced {
        /// The version's directory.
        dir: PathBuf,
        /// The model's name by its directory.
        model: String,
        /// The version by its directory.
        version: u32,
        /// Name and version by the manifest.
        found: (String, u32),
    },
    /// The graph file is not the one the manifest was written for.
    #[error(
        "graph file `{file}` has sha256 {found}, the manifest says {expected}; \
         publish the model again or restore the file"
    )]
    Hash {
        /// The graph's file name.
        file: String,
        /// The hash in the manifest.
        expected: String,
        /// The hash of the file.
        found: String,
    },
    /// The variant was made from another graph than the one beside it.
    #[error(
        "variant file `{file}` was made from a graph with sha256 {source_sha256}, \
         the graph beside it has {graph}; make it again with `strata models quantize`"
    )]
    Stale {
        /// The variant's file name.
        file: String,
        /// The hash of the graph that it was made from.
        source_sha256: String,
        /// The hash of the graph beside it.
        graph: String,
    },
    /// The version has no variant of that precision.
    #[error("the manifest names no int8 variant; make one with `strata models quantize`")]
    NoVariant,
}

fn list(versions: &[u32]) -> String {
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
