//! Repositories of models that a test may change.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{layers::LAYERS, programs::root};

/// A temporary copy of bundled models. It is removed when it is dropped.
#[derive(Debug)]
pub struct Repository(TempDir);

impl Repository {
    /// A repository with no models.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// A repository with these bundled versions of a layer's model.
    ///
    /// # Panics
    /// As [`Repository::publish`] does.
    pub fn with(layer: &str, versions: &[u32]) -> Self {
        let repository = Self::new();
        versions.iter().for_each(|version| repository.publish(layer, *version));
        repository
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its directory, as a setting.
    ///
    /// # Panics
    /// When the path is not UTF-8.
    pub fn setting(&self) -> &str {
        self.path().to_str().expect("a path in UTF-8")
    }

    /// The directory of a version.
    pub fn version(&self, layer: &str, version: u32) -> PathBuf {
        self.path().join(layer).join(version.to_string())
    }

    /// Copies a bundled version into it.
    ///
    /// # Panics
    /// When there is no such version.
    pub fn publish(&self, layer: &str, version: u32) {
        self.publish_as(layer, version, version);
    }

    /// Copies a bundled version into it under another number.
    ///
    /// # Panics
    /// When there is no such version.
    pub fn publish_as(&self, layer: &str, version: u32, number: u32) {
        let from = root().join(format!("models/{layer}/{version}"));
        let to = self.version(layer, number);
        fs::create_dir_all(&to).expect("a new directory");
        fs::copy(from.join("model.onnx"), to.join("model.onnx")).expect("a copy");
        let manifest = fs::read_to_string(from.join("manifest.yaml")).expect("a manifest");
        let before = format!("\nversion: {version}\n");
        assert!(manifest.contains(&before));
        let renumbered = manifest.replace(&before, &format!("\nversion: {number}\n"));
        // The manifest comes last: a directory without one is not a version yet.
        fs::write(to.join("manifest.yaml"), renumbered).expect("a new file");
    }

    /// Changes one bit of the graph of a version, so that its checksum is wrong.
    ///
    /// # Panics
    /// When there is no such version.
    pub fn corrupt(&self, layer: &str, version: u32) {
        let graph = self.version(layer, version).join("model.onnx");
        let mut bytes = fs::read(&graph).expect("a graph");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(&graph, bytes).expect("a file that can be changed");
    }
}

/// The bundled versions that place on the catalogue of the research framework: 1 and 2 of each
/// layer. Every test program finds the copies that the first one made.
///
/// # Panics
/// When they cannot be copied.
pub(crate) fn research_models() -> PathBuf {
    let directory = root().join("target/research-models");
    for (layer, version) in LAYERS.into_iter().flat_map(|layer| [(layer, "1"), (layer, "2")]) {
        let bundled = root().join("models").join(layer).join(version);
        let copy = directory.join(layer).join(version);
        let manifest = |directory: &Path| fs::read(directory.join("manifest.yaml")).ok();
        if manifest(&copy) == manifest(&bundled) {
            continue;
        }
        fs::create_dir_all(directory.join(layer)).expect("a directory");
        let fresh = tempfile::tempdir_in(&directory).expect("a directory").keep();
        for file in fs::read_dir(&bundled).expect("files") {
            let file = file.expect("a file");
            fs::copy(file.path(), fresh.join(file.file_name())).expect("a copy");
        }
        // Another test program may have been faster; then the copy is there already.
        let _ = fs::remove_dir_all(&copy);
        if fs::rename(&fresh, &copy).is_err() {
            fs::remove_dir_all(&fresh).expect("a directory to remove");
        }
    }
    directory
}
