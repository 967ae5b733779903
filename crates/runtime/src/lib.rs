//! ONNX Runtime and nothing else: a repository of models, their manifests, sessions owned by
//! threads, and the gathering of waiting rows into batches.
//!
//! This room knows named tensors of f32 and manifests; what the numbers mean it has never heard.
//! It is the only user of `ort`.
//!
//! ```no_run
//! use strata_runtime::{Batch, Model, ModelOptions, OnnxRuntime, Repository};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = OnnxRuntime::load(None)?;
//! let files = Repository::open("models")?.load("strategic", None)?;
//! let model = Model::start(&runtime, files, &ModelOptions::default())?;
//! let batch = Batch { rows: 1, inputs: vec![vec![0.0; 14]], deadlines: Vec::new() };
//! let inference = model.infer(batch).await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod batch;
mod batcher;
mod bounded_file;
mod cost;
mod files;
mod graph;
mod library;
mod manifest;
mod model;
mod options;
mod priority;
mod provider;
mod queue;
mod repository;
mod runs;
mod session;
mod shape;
mod variant;

pub use batch::{Batch, InferError, Inference, RowStatus};
pub use files::{ModelFiles, sha256_hex};
pub use graph::Mismatch;
pub use library::{LoadError, OnnxRuntime};
pub use manifest::{
    DType, Data, Feature, GraphFile, Input, MANIFEST_FILE, Manifest, ManifestError, Output, Scalar,
};
pub use model::{Model, Prepared, StartError};
pub use options::ModelOptions;
pub use priority::stand_aside;
pub use provider::{ExecutionProvider, UnknownProvider};
pub use repository::{DEFAULT_GRAPH_LIMIT, Repository, RepositoryError, Stamp};
pub use runs::Runs;
pub use shape::Shape;
pub use variant::{Precision, Variant};
