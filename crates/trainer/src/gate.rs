//! Whether a trained candidate may be published: no worse than the version in service on the same held-out scope.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use strata_runtime::{ModelFiles, Repository, Scalar};

use crate::contract::Layer;

/// A figure that is lower by less than this is as good: the same weights can differ that much between processors.
pub const TOLERANCE: f64 = 1e-4;
/// The version that never competes with another: it shows the research framework's own inputs.
const RESEARCH: u32 = 1;

/// The published version that a candidate is compared with.
#[derive(Debug)]
pub struct Predecessor {
    files: ModelFiles,
}

impl Predecessor {
    /// What version `version` of `layer` competes with: the one it replaces, or else the newest. Version 1 competes with version 1 in place
    /// only. `None` when there is nothing.
    ///
    /// # Errors
    /// When the model to compare with cannot be read, or is damaged.
    pub fn of(models: &Path, layer: Layer, version: u32) -> Result<Option<Self>> {
        if !models.join(layer.name()).is_dir() {
            return Ok(None);
        }
        let repository = Repository::open(models)?;
        if !repository.models()?.iter().any(|model| model == layer.name()) {
            return Ok(None);
        }
        let versions = repository.versions(layer.name())?;
        let replaced = versions.contains(&version).then_some(version);
        let newest = versions.last().copied().filter(|_| version != RESEARCH);
        let Some(chosen) = replaced.or(newest) else { return Ok(None) };
        Ok(Some(Self { files: repository.load(layer.name(), Some(chosen))? }))
    }

    /// Its version.
    pub fn version(&self) -> u32 {
        self.files.manifest().version
    }

    /// Its graph, for a network to be rebuilt from.
    pub fn graph(&self) -> &[u8] {
        self.files.graph()
    }

    /// The names of its features in order.
    pub fn features(&self) -> Vec<&str> {
        let inputs = self.files.manifest().inputs.iter();
        inputs.flat_map(|input| &input.features).map(|feature| feature.name.as_str()).collect()
    }
}

/// A model that may be published, by the one figure that decides. More is better.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The layer.
    pub layer: Layer,
    /// The version it would be.
    pub version: u32,
    /// What `value` is, in words.
    pub figure: &'static str,
    /// The figure on the scope that both are measured on.
    pub value: f64,
}

/// Collects what speaks against publishing.
#[derive(Debug, Default)]
pub struct Gate {
    reasons: Vec<String>,
}

impl Gate {
    /// Notes a requirement that does not hold.
    pub fn require(&mut self, held: Result<()>) {
        self.reasons.extend(held.err().map(|error| format!("{error:#}")));
    }

    /// Compares `candidate` with what it competes with in `models`; `measure` gives that one's figure. One that cannot be measured speaks
    /// against publishing too.
    pub fn compare(
        &mut self,
        models: &Path,
        candidate: Candidate,
        measure: impl FnOnce(&Predecessor) -> Result<f64>,
    ) {
        let Candidate { layer, version, figure, value } = candidate;
        let compared = Predecessor::of(models, layer, version).and_then(|found| match found {
            None => Ok(()),
            Some(predecessor) => {
                let other = predecessor.version();
                let best = measure(&predecessor)
                    .with_context(|| format!("version {other} cannot be measured"))?;
                // Not the other way round: a figure that is not a number is no better.
                ensure!(
                    value >= best - TOLERANCE,
                    "{figure} is {value:.4}, that of version {other} in service {best:.4}"
                );
                Ok(())
            }
        });
        self.require(
            compared.with_context(|| format!("{layer} {version} against its predecessor")),
        );
    }

    /// Lets the candidate through, or with `force` notes in `training`, which goes into the manifest, what spoke against it.
    ///
    /// # Errors
    /// With all that speaks against it, unless forced.
    pub fn pass(self, force: bool, training: &mut BTreeMap<String, Scalar>) -> Result<()> {
        let reasons = self.reasons.join("; ");
        if reasons.is_empty() {
            return Ok(());
        }
        ensure!(force, "not published: {reasons}. Train longer, or publish anyway with --force");
        training.insert("forced".to_owned(), true.into());
        training.insert("forced_against".to_owned(), reasons.as_str().into());
        Ok(())
    }
}
