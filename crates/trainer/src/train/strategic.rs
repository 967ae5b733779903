//! Trains the strategic layer.

use std::collections::BTreeMap;

use anyhow::Result;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_domain::Objective;
use strata_policy::{strategic, tactical};
use strata_runtime::sha256_hex;

use super::{
    progress,
    run::{Run, named},
    tactical::random_states,
};
use crate::{
    columns,
    contract::Layer,
    fit::{Watch, dqn},
    gate::{Candidate, Gate},
    nets::{StrategicNet, TacticalNet},
    placement::{Evaluated, StrategicPolicy, TacticalPolicy},
    publish::{Description, publish},
    report::PlacementTable,
    scaling::Scaling,
    worlds::{StrategicParts, StrategicWorld},
};

/// Multiple of the expected objectives that fresh Q-values are.
const ADVICE_GAIN: f32 = 1.0;
/// Random decisions to which the scaling is fitted.
const SCALING_ROWS: usize = 10_000;

/// Budgets and settings.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args)]
pub struct StrategicOptions {
    /// Train version 1, on the research framework's fourteen features.
    #[arg(skip)]
    pub research: bool,
    /// Decisions taken.
    #[arg(long, default_value_t = 100_000)]
    pub dqn_decisions: usize,
    /// Decisions per gradient step.
    #[arg(long, default_value_t = 4)]
    pub dqn_train_every: usize,
    /// Transitions per gradient step.
    #[arg(long, default_value_t = 128)]
    pub dqn_batch: usize,
    /// Transitions remembered.
    #[arg(long, default_value_t = 50_000)]
    pub dqn_replay: usize,
    /// Learning rate of the first step [default: 3e-4 for version 1, 1e-4 for version 2, which starts from advice]
    #[arg(long)]
    pub dqn_learning_rate: Option<f64>,
    /// How much the next decision counts: the cold start of a move pays off over the intervals that follow.
    #[arg(long, default_value_t = 0.3)]
    pub dqn_gamma: f64,
}

/// What distinguishes the two versions.
struct Design {
    version: u32,
    features: &'static [&'static str],
    features_below: &'static [&'static str],
    /// Features of the function; those after them describe its application and what is expected of each provider.
    workload: usize,
}

impl Design {
    const fn of(research: bool) -> Self {
        if research {
            Self {
                version: super::RESEARCH,
                features: &strategic::DEFAULT_FEATURES,
                features_below: &tactical::DEFAULT_FEATURES,
                workload: 10,
            }
        } else {
            Self {
                version: super::EXTENDED,
                features: &strategic::EXTENDED_FEATURES,
                features_below: &tactical::EXTENDED_FEATURES,
                workload: 26,
            }
        }
    }
}

/// Trains on top of the published tactical layer and publishes; returns the held-out figures of the
/// whole chain under the tactical and the strategic objective.
///
/// # Errors
/// When there is no tactical model, training diverges, parity fails or the model cannot be
/// published.
pub fn train(run: &Run, options: &StrategicOptions) -> Result<[PlacementTable; 2]> {
    let seed = run.options.seed;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let Design { version, features, features_below, workload } = Design::of(options.research);
    let graph = run.published("tactical", version)?;
    let below = TacticalNet::from_onnx(&graph)?;
    let below_encoder = tactical::Encoder::of_names(features_below)?;
    let encoder = strategic::Encoder::of_names(features)?;
    let parts = StrategicParts {
        worlds: &run.variations,
        objective: Objective::tactical(),
        encoder: &encoder,
        tactical: TacticalPolicy::new(&below, &below_encoder),
    };
    let mut world = StrategicWorld::new(parts, Xoshiro256PlusPlus::seed_from_u64(seed))?;
    let rows = random_states(&mut world, SCALING_ROWS, &mut rng)?;
    let spreads: Vec<_> = encoder
        .features()
        .map(|(name, unit, ..)| columns::spread_of(name, unit, run.training_minutes()))
        .collect();
    let scaling = Scaling::fit(&spreads, &rows)?;
    let mut fresh = || {
        let net = StrategicNet::new(scaling.clone(), workload, strategic::ACTIONS, &mut rng)?;
        if options.research { Ok(net) } else { net.advised(ADVICE_GAIN) }
    };
    let (net, target) = (fresh()?, fresh()?);
    let settings = dqn::Options {
        seed,
        decisions: options.dqn_decisions,
        train_every: options.dqn_train_every,
        batch: options.dqn_batch,
        replay: options.dqn_replay,
        learning_rate: options.dqn_learning_rate.unwrap_or(super::placing_rate(options.research)),
        gamma: options.dqn_gamma,
        target_every: 250,
        explore: 0.5,
        epsilon: 0.05,
    };
    let bar = progress::bar("strategic")?;
    let mut watch = Watch::judged(&bar, |net| {
        let below = TacticalPolicy::new(&below, &below_encoder);
        run.validate(|| Evaluated::chain(StrategicPolicy::new(net, &encoder), below))
    });
    let checkpoints = run.checkpoints((Layer::Strategic, version), &net, &settings)?;
    let tactical = sha256_hex(&graph);
    let checkpoints = checkpoints.map(|kept| kept.with("tactical_network", tactical));
    watch = watch.kept(checkpoints);
    dqn::fit([&net, &target], &mut world, &settings, &mut watch)?;
    let curves = watch.curves().clone();

    let chain = |objective| -> Result<PlacementTable> {
        let mut table = PlacementTable::baselines(&run.world, run.judged_on(), objective);
        let below = TacticalPolicy::new(&below, &below_encoder);
        let mut policy = Evaluated::chain(StrategicPolicy::new(&net, &encoder), below);
        table.add(&run.world, &mut policy);
        policy.finish()?;
        Ok(table)
    };
    let tables = [chain(Objective::tactical())?, chain(Objective::strategic())?];
    let mut training = training(&settings);
    let value = tables[0].objective("strata")?;
    let mut gate = Gate::default();
    let candidate = Candidate { layer: Layer::Strategic, version, figure: "objective", value };
    gate.compare(&run.options.models, candidate, |before| {
        let net = StrategicNet::from_onnx(before.graph())?;
        let encoder = strategic::Encoder::of_names(&before.features())?;
        let below = TacticalPolicy::new(&below, &below_encoder);
        run.objective(Evaluated::chain(StrategicPolicy::new(&net, &encoder), below))
    });
    gate.pass(run.options.force, &mut training)?;
    let description = Description {
        version,
        features: named(encoder.features()),
        labels: Layer::Strategic.labels(),
        data: run.data(),
        training,
        metrics: tables[0].metrics("strata")?,
        curves: Some(curves),
    };
    publish(&run.options.models, &net, &description, &run.runtime)?;
    Ok(tables)
}

fn training(settings: &dqn::Options) -> BTreeMap<String, strata_runtime::Scalar> {
    BTreeMap::from([
        ("algorithm".to_owned(), "double DQN".into()),
        ("decisions".to_owned(), (settings.decisions as i64).into()),
        ("train_every".to_owned(), (settings.train_every as i64).into()),
        ("batch".to_owned(), (settings.batch as i64).into()),
        ("replay".to_owned(), (settings.replay as i64).into()),
        ("learning_rate".to_owned(), settings.learning_rate.into()),
        ("gamma".to_owned(), settings.gamma.into()),
        ("target_every".to_owned(), (settings.target_every as i64).into()),
        ("exploration".to_owned(), "from 1 to 0.05 over the first half".into()),
        ("region_and_memory".to_owned(), "chosen by the tactical model".into()),
    ])
}
