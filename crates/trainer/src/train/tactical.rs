//! Trains the tactical layer.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rand::{SeedableRng, seq::IndexedRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_domain::Objective;
use strata_policy::tactical::{ACTIONS, DEFAULT_FEATURES, EXTENDED_FEATURES, Encoder};

use super::{
    progress,
    run::{Run, named},
};
use crate::{
    columns,
    contract::Layer,
    fit::{Environment, Observation, Watch, ppo},
    gate::{Candidate, Gate},
    nets::TacticalNet,
    placement::{Evaluated, TacticalPolicy},
    publish::{Description, publish},
    report::PlacementTable,
    scaling::Scaling,
    worlds::TacticalWorld,
};

/// Environments side by side.
const ACTORS: u64 = 32;
/// Multiple of the expected objectives that fresh logits are: twice as likely for 0.03 more.
const ADVICE_GAIN: f32 = 25.0;
/// Random decisions to which the scaling is fitted.
const SCALING_ROWS: usize = 20_000;

/// Budgets and settings.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args)]
pub struct TacticalOptions {
    /// Train version 1, on the research framework's eleven features.
    #[arg(skip)]
    pub research: bool,
    /// Decisions taken.
    #[arg(long, default_value_t = 600_000)]
    pub ppo_decisions: usize,
    /// Decisions of each of 32 environments per round.
    #[arg(long, default_value_t = 64)]
    pub ppo_horizon: usize,
    /// Times each round is learnt from.
    #[arg(long, default_value_t = 4)]
    pub ppo_epochs: usize,
    /// Decisions per step.
    #[arg(long, default_value_t = 256)]
    pub ppo_batch: usize,
    /// Learning rate of the first step [default: 1e-3 for version 1, 1e-4 for version 2, which starts from advice]
    #[arg(long)]
    pub ppo_learning_rate: Option<f64>,
    /// How much the next decision counts: the cold start of a move pays off over the intervals that follow.
    #[arg(long, default_value_t = 0.3)]
    pub ppo_gamma: f64,
    /// Weight of the entropy at the beginning.
    #[arg(long, default_value_t = 0.01)]
    pub ppo_entropy: f64,
}

/// Learning rate of the first step, unless told otherwise. For version 1, of 1e-4, 3e-4 and 1e-3, the best on validation functions and hours (objective
/// 0.313, 0.335, 0.343); version 2 starts from advice, which great steps would lose.
const fn first_rate(research: bool) -> f64 {
    if research { 1e-3 } else { 1e-4 }
}

/// Trains and publishes; returns the held-out figures of the layer alone, each function on the
/// provider it has.
///
/// # Errors
/// When training diverges, parity fails or the model cannot be published.
pub fn train(run: &Run, options: &TacticalOptions) -> Result<PlacementTable> {
    let seed = run.options.seed;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let names: &[&str] = if options.research { &DEFAULT_FEATURES } else { &EXTENDED_FEATURES };
    let encoder = Encoder::of_names(names)?;
    let world = |number: u64| -> Result<TacticalWorld<'_>> {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(number));
        let number = number as usize % run.variations.len().max(1);
        let world = run.variations.get(number).context("there is no world to learn in")?;
        Ok(TacticalWorld::new(world, &encoder, rng))
    };
    let rows = random_states(&mut world(0)?, SCALING_ROWS, &mut rng)?;
    let spreads: Vec<_> = encoder
        .features()
        .map(|(name, unit, ..)| columns::spread_of(name, unit, run.training_minutes()))
        .collect();
    let mut net = TacticalNet::new(Scaling::fit(&spreads, &rows)?, ACTIONS, &mut rng)?;
    if !options.research {
        net = net.advised(ADVICE_GAIN)?;
    }
    let mut worlds = Vec::new();
    for number in 1..=ACTORS {
        worlds.push(Box::new(world(number)?) as Box<dyn Environment + '_>);
    }
    let settings = ppo::Options {
        seed,
        decisions: options.ppo_decisions,
        horizon: options.ppo_horizon,
        epochs: options.ppo_epochs,
        batch: options.ppo_batch,
        learning_rate: options.ppo_learning_rate.unwrap_or(first_rate(options.research)),
        gamma: options.ppo_gamma,
        lambda: 0.9,
        clip: 0.2,
        value: 0.5,
        entropy: options.ppo_entropy,
    };
    let bar = progress::bar("tactical")?;
    let version = if options.research { super::RESEARCH } else { super::EXTENDED };
    let mut watch = Watch::judged(&bar, |net| judge(run, TacticalPolicy::new(net, &encoder)))
        .kept(run.checkpoints((Layer::Tactical, version), &net, &settings)?);
    ppo::fit(&net, &mut worlds, &settings, &mut watch)?;
    let curves = watch.curves().clone();

    let mut table = PlacementTable::baselines(&run.world, run.judged_on(), Objective::tactical());
    let mut policy = Evaluated::provider_kept(TacticalPolicy::new(&net, &encoder));
    table.add(&run.world, &mut policy);
    policy.finish()?;
    let mut training = training(&settings);
    let value = table.objective("tactical alone")?;
    let mut gate = Gate::default();
    let candidate = Candidate { layer: Layer::Tactical, version, figure: "objective", value };
    gate.compare(&run.options.models, candidate, |before| {
        let net = TacticalNet::from_onnx(before.graph())?;
        let encoder = Encoder::of_names(&before.features())?;
        run.objective(Evaluated::provider_kept(TacticalPolicy::new(&net, &encoder)))
    });
    gate.pass(run.options.force, &mut training)?;
    let description = Description {
        version,
        features: named(encoder.features()),
        labels: Layer::Tactical.labels(),
        data: run.data(),
        training,
        metrics: table.metrics("tactical alone")?,
        curves: Some(curves),
    };
    publish(&run.options.models, &net, &description, &run.runtime)?;
    Ok(table)
}

/// The mean objective on validation functions and hours, each function on the provider of the one-step model, which stands for the
/// layer above.
fn judge(run: &Run, policy: TacticalPolicy<'_>) -> Result<f64> {
    run.validate(|| Evaluated::under_patient_model(policy))
}

/// States met under random decisions.
pub(super) fn random_states(
    world: &mut dyn Environment,
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(count);
    let mut observation: Observation = world.reset()?;
    while rows.len() < count {
        let allowed: Vec<usize> = (0..32).filter(|&action| observation.allows(action)).collect();
        let action = *allowed.choose(rng).context("an observation allows no action")?;
        let next = world.step(action)?.next;
        rows.push(observation.state);
        observation = match next {
            Some(next) => next,
            None => world.reset()?,
        };
    }
    Ok(rows)
}

fn training(settings: &ppo::Options) -> BTreeMap<String, strata_runtime::Scalar> {
    BTreeMap::from([
        ("algorithm".to_owned(), "PPO, clipped, with generalised advantages".into()),
        ("decisions".to_owned(), (settings.decisions as i64).into()),
        ("environments".to_owned(), (ACTORS as i64).into()),
        ("horizon".to_owned(), (settings.horizon as i64).into()),
        ("epochs".to_owned(), (settings.epochs as i64).into()),
        ("batch".to_owned(), (settings.batch as i64).into()),
        ("learning_rate".to_owned(), settings.learning_rate.into()),
        ("gamma".to_owned(), settings.gamma.into()),
        ("lambda".to_owned(), settings.lambda.into()),
        ("clip".to_owned(), settings.clip.into()),
        ("value_weight".to_owned(), settings.value.into()),
        ("entropy_weight".to_owned(), settings.entropy.into()),
        ("provider".to_owned(), "drawn for each episode".into()),
    ])
}
