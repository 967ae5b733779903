//! Decides whether a trained candidate may be published: it must be no worse than the version in
//! service on the same held-out scope.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use strata_runtime::{ModelFiles, Repository, Scalar};

use crate::contract::{DecisionLayer, FeatureSet};

/// A figure that is lower by less than this counts as equal: the same weights can differ that much
/// between processors.
pub const TOLERANCE: f64 = 1e-4;

/// The published version that a candidate is compared with.
#[derive(Debug)]
pub struct Predecessor {
    files: ModelFiles,
}

impl Predecessor {
    /// The version that `version` of `layer` competes with: the one it replaces, or else the
    /// newest. Version 1 shows the research framework's own features, so it competes with version 1
    /// only. `None` when there is no such version.
    ///
    /// # Errors
    /// When the model to compare with cannot be read, or is damaged.
    pub fn of(models: &Path, layer: DecisionLayer, version: u32) -> Result<Option<Self>> {
        if !models.join(layer.name()).is_dir() {
            return Ok(None);
        }
        let repository = Repository::open(models)?;
        if !repository.models()?.iter().any(|model| model == layer.name()) {
            return Ok(None);
        }
        let versions = repository.versions(layer.name())?;
        let replaced = versions.contains(&version).then_some(version);
        let research = FeatureSet::Research.version();
        let newest = versions.last().copied().filter(|_| version != research);
        let Some(chosen) = replaced.or(newest) else { return Ok(None) };
        Ok(Some(Self { files: repository.load(layer.name(), Some(chosen))? }))
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.files.manifest().version
    }

    /// The graph, from which the network can be rebuilt.
    pub fn graph(&self) -> &[u8] {
        self.files.graph()
    }

    /// The names of its features in order.
    pub fn features(&self) -> Vec<&str> {
        let inputs = self.files.manifest().inputs.iter();
        inputs.flat_map(|input| &input.features).map(|feature| feature.name.as_str()).collect()
    }
}

/// A model that may be published, with the figure that decides. More is better.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The layer.
    pub layer: DecisionLayer,
    /// The version that it would become.
    pub version: u32,
    /// The name of the figure, for messages.
    pub figure: &'static str,
    /// The figure on the scope that both models are measured on.
    pub value: f64,
}

/// Collects the reasons against publishing.
#[derive(Debug, Default)]
pub struct Gate {
    reasons: Vec<String>,
}

impl Gate {
    /// Notes the error of a requirement that does not hold.
    pub fn require(&mut self, held: Result<()>) {
        self.reasons.extend(held.err().map(|error| format!("{error:#}")));
    }

    /// Compares `candidate` with its predecessor in `models`, whose figure `measure` gives. A
    /// predecessor that cannot be measured is a reason against publishing too.
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
                // Written so that a figure that is not a number fails.
                ensure!(
                    value >= best - TOLERANCE,
                    "{figure} is {value:.4}, that of version {other} in service is {best:.4}"
                );
                Ok(())
            }
        });
        self.require(
            compared.with_context(|| format!("{layer} {version} against its predecessor")),
        );
    }

    /// Lets the candidate pass if there is no reason against it. With `force` it always passes, and
    /// the reasons are noted in `training`, which becomes part of the manifest.
    ///
    /// # Errors
    /// With all reasons against it, unless forced.
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
