//! What the three training runs share: options, worlds, checkpoints and publication.

use std::{collections::BTreeMap, fmt::Debug, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use strata_policy::research::Grid;
use strata_runtime::{Data, OnnxRuntime, Scalar, sha256_hex};
use strata_simulator::{Scope, Split, World, WorldOptions};

use crate::{
    contract::{DecisionLayer, FeatureSet},
    fit::{Checkpoints, Curves},
    nets::Network,
    publish::{
        Description,
        gate::{Candidate, Gate},
        publish,
    },
    simulation::{Research, bundled_world},
};

/// Worlds to learn in.
const VARIATIONS: u64 = 16;

/// The options of a training run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The model repository to publish into.
    pub models: PathBuf,
    /// Seed of weights, exploration and order of learning.
    pub seed: u64,
    /// Use only that many functions of the trace, for a quick trial.
    pub functions: Option<usize>,
    /// Measure on the validation scope instead of the held-out one, to choose settings by.
    pub choosing: bool,
    /// Publish even what the gate refuses.
    pub force: bool,
    /// The directory of the checkpoints; `None` to keep none.
    pub checkpoints: Option<PathBuf>,
    /// Resume from the checkpoints that exist.
    pub resume: bool,
    /// The features, and with them the version, of the networks.
    pub features: FeatureSet,
}

/// A world over the bundled trace, and the place where models are published.
#[derive(Debug)]
pub struct Run {
    pub(super) options: RunOptions,
    pub(super) world: World,
    grid: Grid,
    runtime: OnnxRuntime,
    /// Worlds to learn in: the same calls by functions with other attributes.
    pub(super) variations: Vec<World>,
}

/// A trained network with what its manifest says about it.
pub(super) struct Trained<'n> {
    pub(super) net: &'n dyn Network,
    /// Name and unit of each input column, in order.
    pub(super) features: Vec<(String, String)>,
    /// The labels of each output's positions.
    pub(super) labels: Vec<Vec<String>>,
    /// Settings of the run.
    pub(super) training: BTreeMap<String, Scalar>,
    /// Figures on the scope of [`Run::measured_on`].
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) curves: Curves,
}

impl Run {
    /// Loads ONNX Runtime first, so that a missing library is reported before the training and not
    /// after it.
    ///
    /// # Errors
    /// When ONNX Runtime or the bundled trace cannot be loaded, or there is nothing to resume from.
    pub fn new(options: RunOptions) -> Result<Self> {
        let runtime = OnnxRuntime::load(None)?;
        if let Some(directory) = options.checkpoints.as_ref().filter(|_| options.resume) {
            let shown = directory.display();
            ensure!(directory.is_dir(), "{shown} holds no checkpoint; leave out --resume");
        }
        // The seed of the training does not affect the world.
        let world = bundled_world(options.functions)?;
        let variations = (0..VARIATIONS).map(|variation| {
            let options = WorldOptions { seed: variation + 1, variation, ..world.options() };
            World::new(world.trace().clone(), options, Arc::clone(world.catalogue()))
        });
        let variations = variations.collect();
        let grid = Grid::of(world.catalogue())?;
        Ok(Self { options, world, grid, runtime, variations })
    }

    /// The placements that the networks choose from.
    pub(super) fn research(&self) -> Research<'_> {
        Research { catalogue: self.world.catalogue(), grid: &self.grid }
    }

    /// The version that the run publishes.
    pub(super) fn version(&self) -> u32 {
        self.options.features.version()
    }

    /// The scope that figures are measured on: held out, or validation while settings are chosen.
    pub(super) fn measured_on(&self) -> Scope {
        if self.options.choosing { Scope::validation() } else { Scope::held_out() }
    }

    /// Minutes of the training split.
    pub(super) fn training_minutes(&self) -> usize {
        Split::Train.minutes(self.world.trace().minutes()).len()
    }

    /// The manifest's description of the data.
    fn data(&self) -> Data {
        let minutes = self.world.trace().minutes();
        let [train, validation, test] = Split::ALL.map(|split| split.minutes(minutes));
        Data {
            trace: format!(
                "Azure Functions trace of July 2019, one day, {} functions (Shahrad et al., \
                 Serverless in the Wild, USENIX ATC 2020; CC-BY 4.0), replayed by strata-simulator",
                self.world.functions()
            ),
            splits: format!(
                "by function (hash of its name: 60 % training, 20 % validation, 20 % held out) \
                 and by time, in minutes of the day: training {}-{}, validation {}-{}, held out \
                 {}-{}",
                train.start, train.end, validation.start, validation.end, test.start, test.end
            ),
            seed: Some(self.options.seed),
        }
    }

    /// The checkpoints of fitting `net` of `layer` with `settings`, if the run keeps any.
    pub(super) fn checkpoints(
        &self,
        layer: DecisionLayer,
        net: &dyn Network,
        settings: &impl Debug,
    ) -> Result<Option<Checkpoints>> {
        let Some(directory) = &self.options.checkpoints else { return Ok(None) };
        let fit = (layer, self.version());
        let checkpoints = Checkpoints::new(directory, fit, self.options.resume)
            .with_all(settings)
            .with("functions", self.world.functions())
            // Its weights depend on the seed, its scaling on the data.
            .with("initial_network", sha256_hex(&net.to_onnx()?));
        Ok(Some(checkpoints))
    }

    /// The graph of `layer` that was published before by a run on the same features.
    pub(super) fn published(&self, layer: DecisionLayer) -> Result<Vec<u8>> {
        let directory = self.options.models.join(layer.name()).join(self.version().to_string());
        let file = directory.join("model.onnx");
        std::fs::read(&file).with_context(|| {
            format!("cannot read {}; train the {layer} layer first", file.display())
        })
    }

    /// The new network of `layer`, with the figure that decides about its publication.
    pub(super) fn candidate(
        &self,
        layer: DecisionLayer,
        figure: &'static str,
        value: f64,
    ) -> Candidate {
        Candidate { layer, version: self.version(), figure, value }
    }

    /// Publishes a network if `gate` lets it pass.
    ///
    /// # Errors
    /// When the gate refuses it, parity fails or a file cannot be written.
    pub(super) fn publish(&self, trained: Trained<'_>, gate: Gate) -> Result<()> {
        let Trained { net, features, labels, mut training, metrics, curves } = trained;
        gate.pass(self.options.force, &mut training)?;
        let description = Description {
            version: self.version(),
            features,
            labels,
            data: self.data(),
            training,
            metrics,
            curves: Some(curves),
        };
        publish(&self.options.models, net, &description, &self.runtime)?;
        Ok(())
    }
}

/// Features with their units as manifests list them.
pub(super) fn named<'f>(
    features: impl Iterator<Item = (&'f str, &'f str, f64, f64)>,
) -> Vec<(String, String)> {
    features.map(|(name, unit, ..)| (name.to_owned(), unit.to_owned())).collect()
}

/// Settings as manifests list them.
pub(super) fn entries<const N: usize>(entries: [(&str, Scalar); N]) -> BTreeMap<String, Scalar> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
