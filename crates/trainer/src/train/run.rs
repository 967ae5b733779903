//! What the three runs share.

use std::{fmt::Debug, path::PathBuf};

use anyhow::{Context, Result, ensure};
use strata_domain::Objective;
use strata_runtime::{Data, OnnxRuntime, sha256_hex};
use strata_simulator::{Scope, Split, Trace, World, WorldOptions, evaluate};

use crate::{checkpoint::Checkpoints, contract::Layer, nets::Network, placement::Evaluated};

/// Worlds to learn in.
const VARIATIONS: u64 = 16;

/// Worlds a network is judged in while it is fitted. With the trace's own alone, weights were chosen that did worse than none on held-out
/// functions.
const JUDGED_IN: usize = 8;

/// What a run is made with.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Where models are published.
    pub models: PathBuf,
    /// Seed of weights, exploration and order of learning.
    pub seed: u64,
    /// Use only this many functions of the trace, for trying things out.
    pub functions: Option<usize>,
    /// Measure on the validation scope instead of the held-out one, to choose settings by.
    pub choosing: bool,
    /// Publish even what the gate refuses.
    pub force: bool,
    /// Where checkpoints are kept, if they are.
    pub checkpoints: Option<PathBuf>,
    /// Go on from the checkpoints that are there.
    pub resume: bool,
}

/// A world over the bundled trace, and where models go.
#[derive(Debug)]
pub struct Run {
    pub(super) options: RunOptions,
    pub(super) world: World,
    pub(super) runtime: OnnxRuntime,
    /// Worlds to learn in: the same calls by functions that live elsewhere.
    pub(super) variations: Vec<World>,
}

impl Run {
    /// Loads ONNX Runtime first, so that a missing library is known before the training and not
    /// after it.
    ///
    /// # Errors
    /// When ONNX Runtime or the bundled trace cannot be loaded.
    pub fn new(options: RunOptions) -> Result<Self> {
        let runtime = OnnxRuntime::load(None)?;
        if let Some(directory) = options.checkpoints.as_ref().filter(|_| options.resume) {
            let shown = directory.display();
            ensure!(directory.is_dir(), "{shown} holds no checkpoint; leave out --resume");
        }
        let trace = Trace::bundled()?;
        let trace = match options.functions {
            Some(count) => trace.with_only(0..count.min(trace.functions().len())),
            None => trace,
        };
        // The world is the same whatever the seed of the training.
        let world = World::new(trace, WorldOptions::default());
        let variations = (0..VARIATIONS).map(|number| {
            let options = WorldOptions { seed: number + 1, ..WorldOptions::default() };
            World::new(world.trace().varied(number), options)
        });
        let variations = variations.collect();
        Ok(Self { options, world, runtime, variations })
    }

    /// What the figures of a table are measured on: held out, or, while settings are being chosen, validation.
    pub(super) fn judged_on(&self) -> Scope {
        if self.options.choosing { Scope::validation() } else { Scope::held_out() }
    }

    /// The mean objective of a policy on validation functions and hours, in as many worlds as make chance small.
    pub(super) fn validate<'p>(&self, policy: impl Fn() -> Evaluated<'p>) -> Result<f64> {
        let (mut total, mut decisions) = (0.0, 0);
        for world in self.variations.iter().take(JUDGED_IN) {
            let mut policy = policy();
            let evaluation =
                evaluate(world, &mut policy, Scope::validation(), Objective::tactical());
            policy.finish()?;
            decisions += evaluation.decided.len();
            total += evaluation.decided.iter().map(|decided| decided.outcome.reward).sum::<f64>();
        }
        Ok(total / decisions.max(1) as f64)
    }

    /// The mean objective of a policy where the figures of a table are measured.
    pub(super) fn objective(&self, mut policy: Evaluated<'_>) -> Result<f64> {
        let scope = self.judged_on();
        let figures = evaluate(&self.world, &mut policy, scope, Objective::tactical()).summary();
        policy.finish()?;
        Ok(figures.mean_reward)
    }

    /// Minutes of the training split.
    pub(super) fn training_minutes(&self) -> usize {
        Split::Train.minutes(self.world.trace().minutes()).len()
    }

    /// What the manifests say about the data.
    pub(super) fn data(&self) -> Data {
        let minutes = self.world.trace().minutes();
        let [train, validation, test] = Split::ALL.map(|split| split.minutes(minutes));
        Data {
            trace: format!(
                "Azure Functions trace of July 2019, one day, {} functions (Shahrad et al., \
                 Serverless in the Wild, USENIX ATC 2020; CC-BY 4.0), replayed by strata-simulator",
                self.world.functions()
            ),
            splits: format!(
                "by function (hash of its name: 60 % training, 20 % validation, 20 % held out) and by time, in minutes \
                 of the day: training {}-{}, validation {}-{}, held out {}-{}",
                train.start, train.end, validation.start, validation.end, test.start, test.end
            ),
            seed: Some(self.options.seed),
        }
    }

    /// Where the checkpoints of fitting `net` under `settings` go, if any are kept.
    pub(super) fn checkpoints(
        &self,
        fit: (Layer, u32),
        net: &dyn Network,
        settings: &impl Debug,
    ) -> Result<Option<Checkpoints>> {
        let Some(directory) = &self.options.checkpoints else { return Ok(None) };
        let checkpoints = Checkpoints::new(directory, fit, self.options.resume)
            .with_all(settings)
            .with("functions", self.world.functions())
            // Its weights come from the seed, its scaling from the data.
            .with("initial_network", sha256_hex(&net.to_onnx()?));
        Ok(Some(checkpoints))
    }

    /// Reads back a published graph of another layer.
    pub(super) fn published(&self, layer: &str, version: u32) -> Result<Vec<u8>> {
        let file = self.options.models.join(layer).join(version.to_string()).join("model.onnx");
        std::fs::read(&file).with_context(|| {
            format!("cannot read {}; train the {layer} layer first", file.display())
        })
    }
}

/// Features with their units as manifests list them.
pub(super) fn named<'f>(
    features: impl Iterator<Item = (&'f str, &'f str, f64, f64)>,
) -> Vec<(String, String)> {
    features.map(|(name, unit, ..)| (name.to_owned(), unit.to_owned())).collect()
}
