//! Trains the strategic layer.

use std::collections::BTreeMap;

use anyhow::Result;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_domain::Objective;
use strata_policy::research::{strategic, tactical};
use strata_runtime::{Scalar, sha256_hex};

use super::{
    progress,
    run::{Run, Trained, entries, named},
};
use crate::{
    contract::{DecisionLayer, FeatureSet},
    fit::{Curves, Monitor, dqn, random_states},
    nets::{StrategicNet, TacticalNet},
    publish::gate::Gate,
    report::PlacementTable,
    simulation::{
        Evaluated, StrategicEnvironment, StrategicParts, StrategicPolicy, TacticalPolicy,
    },
};

/// Multiple of the expected objectives that fresh Q-values are.
const ADVICE_GAIN: f32 = 1.0;
/// Random decisions that the scaling is fitted to.
const SCALING_ROWS: usize = 10_000;
/// The name of the policy in tables.
const POLICY: &str = "strata";

/// Budgets and settings of the strategic layer.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args)]
pub struct StrategicOptions {
    /// Decisions that the strategic layer takes in training.
    #[arg(long, default_value_t = 100_000)]
    pub dqn_decisions: usize,
    /// Decisions per gradient step.
    #[arg(long, default_value_t = 4)]
    pub dqn_train_every: usize,
    /// Transitions per gradient step.
    #[arg(long, default_value_t = 128)]
    pub dqn_batch: usize,
    /// Transitions that the replay memory holds.
    #[arg(long, default_value_t = 50_000)]
    pub dqn_replay: usize,
    /// Learning rate of the first step [default: 3e-4 for version 1, 1e-4 for version 2]
    #[arg(long)]
    pub dqn_learning_rate: Option<f64>,
    /// Discount of the next decision: the cold start of a move pays off over later intervals.
    #[arg(long, default_value_t = 0.3)]
    pub dqn_gamma: f64,
}

impl StrategicOptions {
    fn settings(&self, run: &Run) -> dqn::Options {
        let first_rate = first_rate(run.options.features);
        dqn::Options {
            seed: run.options.seed,
            decisions: self.dqn_decisions,
            train_every: self.dqn_train_every,
            batch: self.dqn_batch,
            replay: self.dqn_replay,
            learning_rate: self.dqn_learning_rate.unwrap_or(first_rate),
            gamma: self.dqn_gamma,
            target_every: 250,
            explore: 0.5,
            epsilon: 0.05,
        }
    }
}

/// The default learning rate of the first step. Version 2 starts from advice, which large steps
/// would destroy.
const fn first_rate(features: FeatureSet) -> f64 {
    match features {
        FeatureSet::Research => 3e-4,
        FeatureSet::Extended => 1e-4,
    }
}

/// Trains on top of the published tactical layer and publishes. Returns the held-out figures of the
/// whole chain under the tactical and the strategic objective.
///
/// # Errors
/// When there is no tactical model, training diverges, parity fails or the model cannot be
/// published.
pub fn train(run: &Run, options: &StrategicOptions) -> Result<[PlacementTable; 2]> {
    let features = run.options.features;
    let graph = run.published(DecisionLayer::Tactical)?;
    let below = TacticalNet::from_onnx(&graph)?;
    let below_encoder = tactical::Encoder::of_names(features.tactical())?;
    let encoder = strategic::Encoder::of_names(features.strategic())?;
    let below = TacticalPolicy::new(&below, &below_encoder, run.research());
    let chain = Chain { run, encoder: &encoder, below };
    let settings = options.settings(run);
    let (net, curves) = chain.fit(&settings, &sha256_hex(&graph))?;

    let tables =
        [chain.table(&net, Objective::tactical())?, chain.table(&net, Objective::strategic())?];
    let mut gate = Gate::default();
    let value = tables[0].objective(POLICY)?;
    let candidate = run.candidate(DecisionLayer::Strategic, "objective", value);
    gate.compare(&run.options.models, candidate, |predecessor| {
        let net = StrategicNet::from_onnx(predecessor.graph())?;
        let encoder = strategic::Encoder::of_names(&predecessor.features())?;
        run.objective(Chain { encoder: &encoder, ..chain }.policy(&net))
    });
    let trained = Trained {
        net: &net,
        features: named(encoder.features()),
        labels: DecisionLayer::Strategic.labels(),
        training: training(&settings),
        metrics: tables[0].metrics(POLICY)?,
        curves,
    };
    run.publish(trained, gate)?;
    Ok(tables)
}

/// The layers that a strategic network is trained and measured in.
#[derive(Clone, Copy)]
struct Chain<'c> {
    run: &'c Run,
    encoder: &'c strategic::Encoder,
    /// The layer below.
    below: TacticalPolicy<'c>,
}

impl<'c> Chain<'c> {
    fn policy<'n>(&self, net: &'n StrategicNet) -> Evaluated<'n>
    where
        'c: 'n,
    {
        Evaluated::chain(StrategicPolicy::new(net, self.encoder, self.run.research()), self.below)
    }

    /// Fits a network; `below` is the hash of the tactical graph.
    fn fit(&self, settings: &dqn::Options, below: &str) -> Result<(StrategicNet, Curves)> {
        let run = self.run;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(run.options.seed);
        let parts = StrategicParts {
            worlds: &run.variations,
            objective: Objective::tactical(),
            encoder: self.encoder,
            tactical: self.below,
        };
        let episodes = Xoshiro256PlusPlus::seed_from_u64(run.options.seed);
        let mut environment = StrategicEnvironment::new(parts, episodes)?;
        let states = random_states(&mut environment, SCALING_ROWS, &mut rng)?;
        let scaling = run.fit_scaling(self.encoder.features(), &states)?;
        let features = run.options.features;
        let mut fresh = || {
            let workload = features.workload_features();
            let net = StrategicNet::new(scaling.clone(), workload, strategic::ACTIONS, &mut rng)?;
            match features {
                FeatureSet::Research => Ok(net),
                FeatureSet::Extended => net.advised(ADVICE_GAIN),
            }
        };
        let (net, target) = (fresh()?, fresh()?);
        let bar = progress::bar("strategic")?;
        let checkpoints = run.checkpoints(DecisionLayer::Strategic, &net, settings)?;
        let checkpoints = checkpoints.map(|kept| kept.with("tactical_network", below));
        let mut monitor = Monitor::validating(&bar, |net| run.validate(|| self.policy(net)))
            .with_checkpoints(checkpoints);
        dqn::fit([&net, &target], &mut environment, settings, &mut monitor)?;
        let curves = monitor.curves().clone();
        Ok((net, curves))
    }

    /// The figures of the chain with `net` beside those of the baselines.
    fn table(&self, net: &StrategicNet, objective: Objective) -> Result<PlacementTable> {
        let run = self.run;
        let mut table = PlacementTable::baselines(&run.world, run.measured_on(), objective);
        let mut policy = self.policy(net);
        table.add(&run.world, &mut policy);
        policy.finish()?;
        Ok(table)
    }
}

fn training(settings: &dqn::Options) -> BTreeMap<String, Scalar> {
    entries([
        ("algorithm", "double DQN".into()),
        ("decisions", (settings.decisions as i64).into()),
        ("train_every", (settings.train_every as i64).into()),
        ("batch", (settings.batch as i64).into()),
        ("replay", (settings.replay as i64).into()),
        ("learning_rate", settings.learning_rate.into()),
        ("gamma", settings.gamma.into()),
        ("target_every", (settings.target_every as i64).into()),
        ("exploration", "from 1 to 0.05 over the first half".into()),
        ("region_and_memory", "chosen by the tactical model".into()),
    ])
}
