//! Checkpoints of a fit on disk: `DIR/<layer>/<version>/{checkpoint.yaml, state-<hash>.safetensors}`.
//!
//! The state is written first, under a name made of its hash; the small YAML file that names it then takes the place of the one before in one
//! step. So what is there is the old checkpoint or the new one, wherever a run was ended.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use candle_core::{Device, safetensors};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use strata_runtime::sha256_hex;

use crate::{contract::Layer, fit::State};

const DOCUMENT: &str = "checkpoint.yaml";
/// Largest state that is read: a full replay memory of 50,000 decisions has about 25 MB.
const STATE_LIMIT: u64 = 1 << 30;
/// Largest YAML file that is read.
const DOCUMENT_LIMIT: u64 = 1 << 20;

/// Where the checkpoints of one fit go, and which fit it is.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    directory: PathBuf,
    layer: Layer,
    version: u32,
    resumes: bool,
    /// Everything that decides what comes out, by name.
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
    /// Checkpoints of `version` of `layer` in `root`. With `resumes`, one that is there is gone on from.
    pub fn new(root: &Path, (layer, version): (Layer, u32), resumes: bool) -> Self {
        let directory = root.join(layer.name()).join(version.to_string());
        Self { directory, layer, version, resumes, options: BTreeMap::new() }
    }

    /// Adds an option that a checkpoint must share to be gone on from.
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

    /// Writes `state`, which takes the place of the one before.
    ///
    /// # Errors
    /// When a file cannot be written; the checkpoint before is still there then.
    pub fn save(&self, state: &State) -> Result<()> {
        self.write(state)
            .with_context(|| format!("cannot write a checkpoint into {}", self.directory.display()))
    }

    fn write(&self, state: &State) -> Result<()> {
        fs::create_dir_all(&self.directory)?;
        let fresh = self.directory.join(".state.new");
        safetensors::save(&state.tensors, &fresh)?;
        File::open(&fresh)?.sync_all()?;
        let state_sha256 = sha256_hex(&read(&fresh, STATE_LIMIT)?);
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
        let fresh = self.directory.join(".checkpoint.new");
        let mut file = File::create(&fresh)?;
        file.write_all(serde_yaml::to_string(&document)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, self.directory.join(DOCUMENT))?;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let other = entry.file_name();
            let other = other.to_string_lossy();
            if other.starts_with("state-") && *other != name {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The state to go on from; `None` when there is no checkpoint of this fit or it shall begin anew.
    ///
    /// # Errors
    /// When the checkpoint is of another fit (with what differs), is damaged, or cannot be read.
    pub fn load(&self) -> Result<Option<State>> {
        let file = self.directory.join(DOCUMENT);
        if !self.resumes || !file.exists() {
            return Ok(None);
        }
        let state = self.read(&file);
        state.map(Some).with_context(|| format!("cannot go on from {}", file.display()))
    }

    fn read(&self, file: &Path) -> Result<State> {
        let document: Document = serde_yaml::from_slice(&read(file, DOCUMENT_LIMIT)?)?;
        let found = (document.layer.as_str(), document.version);
        ensure!(
            found == (self.layer.name(), self.version),
            "it is of {} version {}, not of {} version {}",
            found.0,
            found.1,
            self.layer,
            self.version
        );
        let differing = differences(&document.options, &self.options);
        ensure!(
            differing.is_empty(),
            "it was made with other options: {}; give the same ones, or leave out --resume to begin anew",
            differing.join(", ")
        );
        ensure!(document.options_sha256 == self.options_sha256()?, "its options were changed");
        let hash = &document.state_sha256;
        let plain = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(plain, "state_sha256 is not 64 hexadecimal digits");
        let bytes = read(&self.directory.join(state_file(hash)), STATE_LIMIT)?;
        ensure!(sha256_hex(&bytes) == *hash, "the state's hash is not the one it should have");
        let Document { step, numbers, generators, .. } = document;
        let tensors = safetensors::load_buffer(&bytes, &Device::Cpu)?;
        Ok(State { step, numbers, generators, tensors })
    }

    fn options_sha256(&self) -> Result<String> {
        Ok(sha256_hex(serde_yaml::to_string(&self.options)?.as_bytes()))
    }
}

fn state_file(sha256: &str) -> String {
    format!("state-{}.safetensors", sha256.get(..16).unwrap_or_default())
}

/// `name 1 instead of 2` of every option that is not the same.
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

/// A file of at most `limit` bytes.
fn read(file: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    opened.take(limit + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= limit, "{} is larger than {limit} bytes", file.display());
    Ok(bytes)
}
