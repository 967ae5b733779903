//! The tiny models of `tests/data`, which `make.py` there describes.

use std::path::{Path, PathBuf};

use strata_runtime::{
    ExecutionProvider, Model, ModelFiles, ModelOptions, OnnxRuntime, Repository, StartError,
};

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

pub(crate) fn runtime() -> OnnxRuntime {
    match OnnxRuntime::load(None) {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn files(name: &str) -> ModelFiles {
    Repository::open(directory()).unwrap().load(name, None).unwrap()
}

pub(crate) fn on_cpu() -> ModelOptions {
    ModelOptions { execution_provider: ExecutionProvider::Cpu, ..ModelOptions::default() }
}

pub(crate) fn start(name: &str, options: &ModelOptions) -> Result<Model, StartError> {
    Model::start(&runtime(), files(name), options)
}
