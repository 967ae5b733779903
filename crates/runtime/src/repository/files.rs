use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    bounded_file,
    error::RepositoryError,
    manifest::{MANIFEST_FILE, Manifest},
    variant::{Precision, Variant},
};

/// A model read from its files: the manifest, and the graph whose hash was found to match.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    manifest: Manifest,
    graph: Vec<u8>,
    precision: Precision,
}

impl ModelFiles {
    /// Reads the model in `dir`; its graph file may be at most `graph_limit` bytes.
    ///
    /// # Errors
    /// [`RepositoryError::Manifest`], [`RepositoryError::Io`] for the graph file, or
    /// [`RepositoryError::Hash`].
    pub fn read(dir: &Path, graph_limit: u64) -> Result<ModelFiles, RepositoryError> {
        let manifest = Manifest::read(&dir.join(MANIFEST_FILE))
            .map_err(|source| RepositoryError::Manifest { dir: dir.to_owned(), source })?;
        let path = dir.join(&manifest.graph.file);
        let graph = bounded_file::read(&path, graph_limit)
            .map_err(|source| RepositoryError::Io { path, source })?;
        ModelFiles::new(manifest, graph)
    }

    /// A model whose graph is in memory, for instance before it is published.
    ///
    /// # Errors
    /// [`RepositoryError::Manifest`] when the manifest contradicts itself, and
    /// [`RepositoryError::Hash`] when the graph is not the manifest's.
    pub fn new(manifest: Manifest, graph: Vec<u8>) -> Result<ModelFiles, RepositoryError> {
        manifest
            .check()
            .map_err(|source| RepositoryError::Manifest { dir: PathBuf::new(), source })?;
        matches(&manifest.graph.file, &manifest.graph.sha256, &graph)?;
        Ok(ModelFiles { manifest, graph, precision: Precision::Fp32 })
    }

    /// The int8 variant of a model, `graph` being the variant's.
    ///
    /// # Errors
    /// [`RepositoryError::Manifest`] when the manifest contradicts itself;
    /// [`RepositoryError::NoVariant`] when it names no variant; [`RepositoryError::Stale`] and
    /// [`RepositoryError::Hash`] when the variant is not the manifest's.
    pub fn int8(manifest: Manifest, graph: Vec<u8>) -> Result<ModelFiles, RepositoryError> {
        manifest
            .check()
            .map_err(|source| RepositoryError::Manifest { dir: PathBuf::new(), source })?;
        let Some(Variant { file, sha256, source_sha256, .. }) = &manifest.int8 else {
            return Err(RepositoryError::NoVariant);
        };
        if *source_sha256 != manifest.graph.sha256 {
            return Err(RepositoryError::Stale {
                file: file.clone(),
                source_sha256: source_sha256.clone(),
                graph: manifest.graph.sha256,
            });
        }
        matches(file, sha256, &graph)?;
        Ok(ModelFiles { manifest, graph, precision: Precision::Int8 })
    }

    /// The precision in which the graph computes.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of the graph file.
    #[must_use]
    pub fn graph(&self) -> &[u8] {
        &self.graph
    }

    /// The int8 variant of this model, from its file in `dir`.
    pub(crate) fn read_int8(
        self,
        dir: &Path,
        graph_limit: u64,
    ) -> Result<ModelFiles, RepositoryError> {
        let ModelFiles { manifest, .. } = self;
        let Some(variant) = &manifest.int8 else { return Err(RepositoryError::NoVariant) };
        let path = dir.join(&variant.file);
        let graph = bounded_file::read(&path, graph_limit)
            .map_err(|source| RepositoryError::Io { path, source })?;
        ModelFiles::int8(manifest, graph)
    }

    pub(crate) fn into_manifest(self) -> Manifest {
        self.manifest
    }
}

fn matches(file: &str, expected: &str, graph: &[u8]) -> Result<(), RepositoryError> {
    let found = sha256_hex(graph);
    if found == expected {
        return Ok(());
    }
    let (file, expected) = (file.to_owned(), expected.to_owned());
    Err(RepositoryError::Hash { file, expected, found })
}

/// SHA-256 as a manifest writes it: 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
