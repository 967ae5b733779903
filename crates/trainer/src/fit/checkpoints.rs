//! Checkpoints of a fit on disk:
//! `DIR/<layer>/<version>/{checkpoint.yaml, state-<hash>.safetensors}`.
//!
//! The state is written first, under a name derived from its hash. Then the small YAML file that
//! names it replaces the previous one atomically. An interrupted run leaves either the old
//! checkpoint or the new one.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use candle_core::{Device, safetensors};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use strata_runtime::sha256_hex;

use super::state::FitState;
use crate::{contract::DecisionLayer, files};

const DOCUMENT: &str = "checkpoint.yaml";
/// Largest state that is read. A full replay memory of 50,000 decisions has about 25 MB.
const STATE_LIMIT: u64 = 1 << 30;
/// Largest YAML file that is read.
const DOCUMENT_LIMIT: u64 = 1 << 20;

/// The checkpoints of one fit: their directory, and the identity of the fit.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    directory: PathBuf,
    layer: DecisionLayer,
    version: u32,
    resumes: bool,
    /// Every option that affects the result, by name.
    options: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    layer: String,
    version: u32,
    step: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best_score: Option<f64>,
    state_sha256: String,
    options_sha256: String,
    options: BTreeMap<String, String>,
    numbers: BTreeMap<String, f64>,
    generators: BTreeMap<String, Xoshiro256PlusPlus>,
}

impl Checkpoints {
    /// Checkpoints of `version` of `layer` in `root`. With `resumes`, the fit resumes from one that
    /// exists.
    pub fn new(root: &Path, (layer, version): (DecisionLayer, u32), resumes: bool) -> Self {
        let directory = root.join(layer.name()).join(version.to_string());
        Self { directory, layer, version, resumes, options: BTreeMap::new() }
    }

    /// Adds an option that a checkpoint must share for the fit to resume from it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.options.insert(name.to_owned(), value.to_string());
        self
    }

    /// Adds every field of a flat struct of settings.
    #[must_use]
    pub fn with_all(mut self, settings: &impl Debug) -> Self {
        let text = format!("{settings:#?}");
        for (name, value) in text.lines().filter_map(|line| line.trim().split_once(": ")) {
            self = self.with(name, value.trim_end_matches(','));
        }
        self
    }

    /// Writes `state`, which replaces the previous checkpoint.
    ///
    /// # Errors
    /// When a file cannot be written. The previous checkpoint is kept then.
    pub fn save(&self, state: &FitState) -> Result<()> {
        self.write(state)
            .with_context(|| format!("cannot write a checkpoint into {}", self.directory.display()))
    }

    fn write(&self, state: &FitState) -> Result<()> {
        fs::create_dir_all(&self.directory)?;
        let fresh = self.directory.join(".state.new");
        safetensors::save(&state.tensors, &fresh)?;
        File::open(&fresh)?.sync_all()?;
        let state_sha256 = sha256_hex(&files::read(&fresh, STATE_LIMIT)?);
        let name = state_file(&state_sha256);
        fs::rename(&fresh, self.directory.join(&name))?;
        let document = Document {
            layer: self.layer.name().to_owned(),
            version: self.version,
            step: state.step,
            best_score: state.numbers.get("best").copied(),
            state_sha256,
            options_sha256: self.options_sha256()?,
            options: self.options.clone(),
            numbers: state.numbers.clone(),
            generators: state.generators.clone(),
        };
        let text = serde_yaml::to_string(&document)?;
        files::put(&self.directory, DOCUMENT, text.as_bytes())?;
        self.remove_other_states(&name)
    }

    fn remove_other_states(&self, kept: &str) -> Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("state-") && name != kept {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The state to resume from; `None` when there is no checkpoint or the fit does not resume.
    ///
    /// # Errors
    /// When the checkpoint belongs to another fit (the message shows the differences), is damaged,
    /// or cannot be read.
    pub fn load(&self) -> Result<Option<FitState>> {
        let file = self.directory.join(DOCUMENT);
        if !self.resumes || !file.exists() {
            return Ok(None);
        }
        let state = self.read(&file);
        state.map(Some).with_context(|| format!("cannot resume from {}", file.display()))
    }

    fn read(&self, file: &Path) -> Result<FitState> {
        let document: Document = serde_yaml::from_slice(&files::read(file, DOCUMENT_LIMIT)?)?;
        let found = (document.layer.as_str(), document.version);
        ensure!(
            found == (self.layer.name(), self.version),
            "it belongs to {} version {}, not to {} version {}",
            found.0,
            found.1,
            self.layer,
            self.version
        );
        let differing = differences(&document.options, &self.options);
        ensure!(
            differing.is_empty(),
            "it was made with other options: {}; use the same options, or leave out --resume to \
             start again",
            differing.join(", ")
        );
        ensure!(
            document.options_sha256 == self.options_sha256()?,
            "its options were changed by hand"
        );
        let hash = &document.state_sha256;
        let plain = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(plain, "state_sha256 is not 64 hexadecimal digits");
        let bytes = files::read(&self.directory.join(state_file(hash)), STATE_LIMIT)?;
        ensure!(
            sha256_hex(&bytes) == *hash,
            "the hash of the state file differs from state_sha256"
        );
        let Document { step, numbers, generators, .. } = document;
        let tensors = safetensors::load_buffer(&bytes, &Device::Cpu)?;
        Ok(FitState { step, numbers, generators, tensors })
    }

    fn options_sha256(&self) -> Result<String> {
        Ok(sha256_hex(serde_yaml::to_string(&self.options)?.as_bytes()))
    }
}

fn state_file(sha256: &str) -> String {
    format!("state-{}.safetensors", sha256.get(..16).unwrap_or_default())
}

/// `name 1 instead of 2` for every option that differs.
fn differences(there: &BTreeMap<String, String>, here: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = there.keys().chain(here.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let value = |map: &BTreeMap<String, String>, name: &String| {
        map.get(name).map_or("nothing".to_owned(), |value| value.chars().take(64).collect())
    };
    let differing = names.into_iter().filter(|name| there.get(*name) != here.get(*name));
    differing
        .map(|name| format!("{name} {} instead of {}", value(there, name), value(here, name)))
        .collect()
}
