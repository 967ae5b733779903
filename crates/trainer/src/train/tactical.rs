//! Trains the tactical layer.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_domain::Objective;
use strata_policy::research::tactical::{ACTIONS, Encoder};
use strata_runtime::Scalar;

use super::{
    progress,
    run::{Run, Trained, entries, named},
};
use crate::{
    contract::{DecisionLayer, FeatureSet},
    fit::{Curves, Environment, Monitor, ppo, random_states},
    nets::TacticalNet,
    publish::gate::Gate,
    report::PlacementTable,
    simulation::{Evaluated, TacticalEnvironment, TacticalPolicy},
};

/// Parallel environments.
const ENVIRONMENTS: u64 = 32;
/// Multiple of the expected objectives that fresh logits are: twice as likely for 0.03 more.
const ADVICE_GAIN: f32 = 25.0;
/// Random decisions that the scaling is fitted to.
const SCALING_ROWS: usize = 20_000;
/// The name of the policy in tables.
const POLICY: &str = "tactical alone";

/// Budgets and settings of the tactical layer.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args)]
pub struct TacticalOptions {
    /// Decisions that the tactical layer takes in training.
    #[arg(long, default_value_t = 600_000)]
    pub ppo_decisions: usize,
    /// Decisions of each of the 32 environments per round.
    #[arg(long, default_value_t = 64)]
    pub ppo_horizon: usize,
    /// Passes over the decisions of each round.
    #[arg(long, default_value_t = 4)]
    pub ppo_epochs: usize,
    /// Decisions per gradient step.
    #[arg(long, default_value_t = 256)]
    pub ppo_batch: usize,
    /// Learning rate of the first step [default: 1e-3 for version 1, 1e-4 for version 2]
    #[arg(long)]
    pub ppo_learning_rate: Option<f64>,
    /// Discount of the next decision: the cold start of a move pays off over later intervals.
    #[arg(long, default_value_t = 0.3)]
    pub ppo_gamma: f64,
    /// Weight of the entropy in the first round.
    #[arg(long, default_value_t = 0.01)]
    pub ppo_entropy: f64,
}

impl TacticalOptions {
    fn settings(&self, run: &Run) -> ppo::Options {
        let first_rate = first_rate(run.options.features);
        ppo::Options {
            seed: run.options.seed,
            decisions: self.ppo_decisions,
            horizon: self.ppo_horizon,
            epochs: self.ppo_epochs,
            batch: self.ppo_batch,
            learning_rate: self.ppo_learning_rate.unwrap_or(first_rate),
            gamma: self.ppo_gamma,
            lambda: 0.9,
            clip: 0.2,
            value: 0.5,
            entropy: self.ppo_entropy,
        }
    }
}

/// The default learning rate of the first step. For version 1, 1e-3 was the best of 1e-4, 3e-4 and
/// 1e-3 on validation functions and hours (objective 0.313, 0.335, 0.343). Version 2 starts from
/// advice, which large steps would destroy.
const fn first_rate(features: FeatureSet) -> f64 {
    match features {
        FeatureSet::Research => 1e-3,
        FeatureSet::Extended => 1e-4,
    }
}

/// Trains and publishes the tactical layer. Returns the held-out figures of the layer alone, with
/// each function on its current provider.
///
/// # Errors
/// When training diverges, parity fails or the model cannot be published.
pub fn train(run: &Run, options: &TacticalOptions) -> Result<PlacementTable> {
    let encoder = Encoder::of_names(run.options.features.tactical())?;
    let net = fresh_network(run, &encoder)?;
    let settings = options.settings(run);
    let curves = fit(run, &encoder, &net, &settings)?;

    let mut table = PlacementTable::baselines(&run.world, run.measured_on(), Objective::tactical());
    let mut policy = Evaluated::provider_kept(TacticalPolicy::new(&net, &encoder, run.research()));
    table.add(&run.world, &mut policy);
    policy.finish()?;
    let mut gate = Gate::default();
    let value = table.objective(POLICY)?;
    let candidate = run.candidate(DecisionLayer::Tactical, "objective", value);
    gate.compare(&run.options.models, candidate, |predecessor| {
        let net = TacticalNet::from_onnx(predecessor.graph())?;
        let encoder = Encoder::of_names(&predecessor.features())?;
        run.objective(Evaluated::provider_kept(TacticalPolicy::new(&net, &encoder, run.research())))
    });
    let trained = Trained {
        net: &net,
        features: named(encoder.features()),
        labels: DecisionLayer::Tactical.labels(),
        training: training(&settings),
        metrics: table.metrics(POLICY)?,
        curves,
    };
    run.publish(trained, gate)?;
    Ok(table)
}

/// The network before the first step.
fn fresh_network(run: &Run, encoder: &Encoder) -> Result<TacticalNet> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(run.options.seed);
    let mut world = environment(run, encoder, 0)?;
    let states = random_states(&mut world, SCALING_ROWS, &mut rng)?;
    let scaling = run.fit_scaling(encoder.features(), &states)?;
    let net = TacticalNet::new(scaling, ACTIONS, &mut rng)?;
    match run.options.features {
        FeatureSet::Research => Ok(net),
        FeatureSet::Extended => net.advised(ADVICE_GAIN),
    }
}

/// The environment with that number; every number has a generator of its own.
fn environment<'r>(
    run: &'r Run,
    encoder: &'r Encoder,
    number: u64,
) -> Result<TacticalEnvironment<'r>> {
    let rng = Xoshiro256PlusPlus::seed_from_u64(run.options.seed.wrapping_add(number));
    let number = number as usize % run.variations.len().max(1);
    let world = run.variations.get(number).context("there is no world to learn in")?;
    Ok(TacticalEnvironment::new(world, encoder, run.research(), rng))
}

fn fit(run: &Run, encoder: &Encoder, net: &TacticalNet, settings: &ppo::Options) -> Result<Curves> {
    let mut environments = Vec::new();
    for number in 1..=ENVIRONMENTS {
        let environment = environment(run, encoder, number)?;
        environments.push(Box::new(environment) as Box<dyn Environment + '_>);
    }
    let bar = progress::bar("tactical")?;
    // The provider of the domain's formulas stands for the layer above.
    let score = |net: &TacticalNet| {
        let policy = TacticalPolicy::new(net, encoder, run.research());
        run.validate(|| Evaluated::under_patient_model(policy))
    };
    let mut monitor = Monitor::validating(&bar, score).with_checkpoints(run.checkpoints(
        DecisionLayer::Tactical,
        net,
        settings,
    )?);
    ppo::fit(net, &mut environments, settings, &mut monitor)?;
    Ok(monitor.curves().clone())
}

fn training(settings: &ppo::Options) -> BTreeMap<String, Scalar> {
    entries([
        ("algorithm", "PPO, clipped, with generalised advantages".into()),
        ("decisions", (settings.decisions as i64).into()),
        ("environments", (ENVIRONMENTS as i64).into()),
        ("horizon", (settings.horizon as i64).into()),
        ("epochs", (settings.epochs as i64).into()),
        ("batch", (settings.batch as i64).into()),
        ("learning_rate", settings.learning_rate.into()),
        ("gamma", settings.gamma.into()),
        ("lambda", settings.lambda.into()),
        ("clip", settings.clip.into()),
        ("value_weight", settings.value.into()),
        ("entropy_weight", settings.entropy.into()),
        ("provider", "drawn for each episode".into()),
    ])
}
