//! A directory of models, with the manifest and the graph of each.

mod axis;
mod bounded_file;
mod error;
mod files;
mod manifest;
mod shape;
mod variant;

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use self::manifest::is_model_name;
pub use self::{
    axis::Axis,
    error::RepositoryError,
    files::{ModelFiles, sha256_hex},
    manifest::{
        DType, Data, Feature, GraphFile, Input, MANIFEST_FILE, Manifest, ManifestError, Output,
        Policy, Scalar,
    },
    shape::Shape,
    variant::{Precision, Variant},
};

/// Largest graph file that is read unless a repository is told otherwise. The bundled models need
/// less than 1 MiB.
pub const DEFAULT_GRAPH_LIMIT: u64 = 256 << 20;

/// A directory of models: `<root>/<model>/<version>/` with `manifest.yaml` and the graph file that
/// it names.
///
/// Only plain directories count: symbolic links and anything whose name is no version number are
/// left out with a debug log.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
    graph_limit: u64,
}

/// The names, sizes and modification times of a version's files. A stamp that differs from an
/// earlier one means that a file was written since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Vec<(String, u64, Option<SystemTime>)>);

impl Repository {
    /// Opens the repository in `root`, a directory.
    ///
    /// # Errors
    /// [`RepositoryError::Io`] when `root` cannot be listed.
    pub fn open(root: impl Into<PathBuf>) -> Result<Repository, RepositoryError> {
        let root = root.into();
        match std::fs::read_dir(&root) {
            Ok(_) => Ok(Repository { root, graph_limit: DEFAULT_GRAPH_LIMIT }),
            Err(source) => Err(RepositoryError::Io { path: root, source }),
        }
    }

    /// The same repository with another bound on the size of a graph file, in bytes.
    #[must_use]
    pub fn with_graph_limit(mut self, bytes: u64) -> Repository {
        self.graph_limit = bytes;
        self
    }

    /// The models that have at least one version, by name.
    ///
    /// # Errors
    /// [`RepositoryError::Io`] when a directory cannot be listed.
    pub fn models(&self) -> Result<Vec<String>, RepositoryError> {
        let mut models = Vec::new();
        for name in directories(&self.root)? {
            if is_model_name(&name) && !self.found_versions(&name)?.is_empty() {
                models.push(name);
            } else {
                tracing::debug!(root = %self.root.display(), name, "entry is no model, ignored");
            }
        }
        models.sort_unstable();
        Ok(models)
    }

    /// The versions of a model, ascending; never empty.
    ///
    /// # Errors
    /// [`RepositoryError::Name`], [`RepositoryError::NoModel`], or [`RepositoryError::Io`] when a
    /// directory cannot be listed.
    pub fn versions(&self, model: &str) -> Result<Vec<u32>, RepositoryError> {
        if !is_model_name(model) {
            return Err(RepositoryError::Name(model.chars().take(64).collect()));
        }
        let versions = match self.found_versions(model) {
            Err(RepositoryError::Io { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Vec::new()
            }
            other => other?,
        };
        if versions.is_empty() {
            let (model, root) = (model.to_owned(), self.root.clone());
            return Err(RepositoryError::NoModel { model, root });
        }
        Ok(versions)
    }

    /// The highest version of a model.
    ///
    /// # Errors
    /// As [`Repository::versions`].
    pub fn newest(&self, model: &str) -> Result<u32, RepositoryError> {
        let newest = self.versions(model)?.pop();
        newest.ok_or_else(|| RepositoryError::NoModel {
            model: model.to_owned(),
            root: self.root.clone(),
        })
    }

    /// Reads a version of a model, the newest if none is named, and checks its hash.
    ///
    /// # Errors
    /// As [`Repository::versions`] and [`ModelFiles::read`]; [`RepositoryError::NoVersion`]; and
    /// [`RepositoryError::Misplaced`] when the manifest belongs to another directory.
    pub fn load(&self, model: &str, version: Option<u32>) -> Result<ModelFiles, RepositoryError> {
        self.load_as(model, version, Precision::Fp32)
    }

    /// [`Repository::load`] with the variant of the given precision. If the version has no such
    /// variant, it is loaded as it was trained; [`ModelFiles::precision`] tells which it is.
    ///
    /// # Errors
    /// As [`Repository::load`]; for a variant also [`RepositoryError::Stale`].
    pub fn load_as(
        &self,
        model: &str,
        version: Option<u32>,
        precision: Precision,
    ) -> Result<ModelFiles, RepositoryError> {
        let version = match version {
            None => self.newest(model)?,
            Some(version) => {
                let available = self.versions(model)?;
                if !available.contains(&version) {
                    let model = model.to_owned();
                    return Err(RepositoryError::NoVersion { model, version, available });
                }
                version
            }
        };
        let dir = self.root.join(model).join(version.to_string());
        let files = ModelFiles::read(&dir, self.graph_limit)?;
        let found = (files.manifest().name.clone(), files.manifest().version);
        if (found.0.as_str(), found.1) != (model, version) {
            let model = model.to_owned();
            return Err(RepositoryError::Misplaced { dir, model, version, found });
        }
        match precision {
            Precision::Int8 if files.manifest().int8.is_some() => {
                files.read_int8(&dir, self.graph_limit)
            }
            _ => Ok(files),
        }
    }

    /// The manifest of a version, for a listing: neither the graph nor its hash is read.
    ///
    /// # Errors
    /// [`RepositoryError::Name`], and [`RepositoryError::Manifest`] when the manifest cannot be
    /// read or is invalid.
    pub fn manifest(&self, model: &str, version: u32) -> Result<Manifest, RepositoryError> {
        let dir = self.dir(model, version)?;
        Manifest::read(&dir.join(MANIFEST_FILE))
            .map_err(|source| RepositoryError::Manifest { dir, source })
    }

    /// The stamp of a version's files.
    ///
    /// # Errors
    /// [`RepositoryError::Name`], and [`RepositoryError::Io`] when the directory cannot be listed.
    pub fn stamp(&self, model: &str, version: u32) -> Result<Stamp, RepositoryError> {
        let dir = self.dir(model, version)?;
        let io = |source| RepositoryError::Io { path: dir.clone(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            let found = entry.metadata().map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, found.len(), found.modified().ok()));
        }
        files.sort_unstable();
        Ok(Stamp(files))
    }

    fn dir(&self, model: &str, version: u32) -> Result<PathBuf, RepositoryError> {
        if !is_model_name(model) {
            return Err(RepositoryError::Name(model.chars().take(64).collect()));
        }
        Ok(self.root.join(model).join(version.to_string()))
    }

    fn found_versions(&self, model: &str) -> Result<Vec<u32>, RepositoryError> {
        let dir = self.root.join(model);
        let mut versions = Vec::new();
        for name in directories(&dir)? {
            match version_number(&name) {
                Some(version) if dir.join(&name).join(MANIFEST_FILE).is_file() => {
                    versions.push(version);
                }
                _ => tracing::debug!(dir = %dir.display(), name, "entry is no version, ignored"),
            }
        }
        versions.sort_unstable();
        Ok(versions)
    }
}

/// Names of the directories in `dir`, without symbolic links.
fn directories(dir: &Path) -> Result<Vec<String>, RepositoryError> {
    let io = |source| RepositoryError::Io { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        // The type of the entry itself: a symbolic link is not followed.
        let is_dir = entry.file_type().map_err(io)?.is_dir();
        match entry.file_name().into_string() {
            Ok(name) if is_dir => names.push(name),
            Ok(name) => tracing::debug!(dir = %dir.display(), name, "not a directory, ignored"),
            Err(name) => tracing::debug!(dir = %dir.display(), ?name, "not UTF-8, ignored"),
        }
    }
    Ok(names)
}

/// A version from its directory's name: digits without leading zeros, from 1.
fn version_number(name: &str) -> Option<u32> {
    name.parse().ok().filter(|version: &u32| *version > 0 && version.to_string() == name)
}
