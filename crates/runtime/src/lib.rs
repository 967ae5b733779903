//! ONNX Runtime and nothing else: a repository of models, their manifests, sessions owned by
//! threads, and the gathering of waiting rows into batches.
//!
//! This crate knows named tensors of f32 and manifests, and nothing of what the numbers mean. It is
//! the only user of `ort`.
//!
//! ```no_run
//! use strata_runtime::{Batch, Model, ModelOptions, OnnxRuntime, Repository};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = OnnxRuntime::load(None)?;
//! let files = Repository::open("models")?.load("strategic", None)?;
//! let model = Model::start(&runtime, files, &ModelOptions::default())?;
//! let batch = Batch { rows: 1, inputs: vec![vec![0.0; 14]], ..Batch::default() };
//! let inference = model.infer(batch).await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod execution;
mod library;
mod repository;

pub use execution::{
    Batch, ExecutionProvider, InferError, Inference, Mismatch, Model, ModelOptions, Prepared,
    RowSlices, RowStatus, Runs, StartError, UnknownProvider, stand_aside,
};
pub use library::{LoadError, OnnxRuntime};
pub use repository::{
    Axis, DEFAULT_GRAPH_LIMIT, DType, Data, Feature, GraphFile, Input, MANIFEST_FILE, Manifest,
    ManifestError, ModelFiles, Output, Policy, Precision, Repository, RepositoryError, Scalar,
    Shape, Stamp, Variant, sha256_hex,
};
