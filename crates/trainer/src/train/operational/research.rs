//! Trains version 1 of the operational layer, on the research framework's own features.

use std::collections::BTreeMap;

use anyhow::Result;
use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::{DEFAULT_FEATURES, Encoder, WINDOW_STEPS};
use strata_runtime::Scalar;
use strata_simulator::{Scope, Window};

use super::{
    options::{self, OperationalOptions},
    scores::{self, BUSY, NETWORK, score},
    windows::{IDLE_STRIDE, windows},
};
use crate::{
    contract::{DecisionLayer, FeatureSet},
    fit::{Curves, Fitted, Monitor, lstm},
    nets::{OperationalNet, OutputRange},
    report::ForecastTable,
    scaling::{Column, Scaling, Transform},
    train::{
        progress,
        run::{Run, Trained, entries, named},
    },
};

/// Steps between the validation windows. Odd, because a minute has four steps and many functions
/// are called at its beginning: an even stride would miss some quarters of the minute.
const STRIDE: usize = 5;
/// One of so many training windows is drawn from all windows, idle ones included, because those are
/// served too; the others are busy.
const ANY_WINDOW: usize = 4;

/// Trains and publishes; returns the scores as [`super::train`] does.
pub(super) fn train(run: &Run, options: &OperationalOptions) -> Result<[ForecastTable; 2]> {
    let count = options.windows(FeatureSet::Research);
    let seed = run.options.seed;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (train, scaling, rate) = training_windows(run, count, &mut rng)?;
    let outputs = vec![rate, OutputRange::Fraction, OutputRange::Fraction];
    let net = OperationalNet::new(scaling, WINDOW_STEPS, outputs, &mut rng)?;
    let settings = lstm::Options { schedule: options.schedule(seed), below: options.lstm_below };
    let (fitted, curves) = fit(run, &net, (&train, count), &settings)?;

    let tables = scores::tables(run, |windows| lstm::forecasts(&net, windows))?;
    let mut gate = scores::gate(&tables);
    let value = tables[0].rate_r2(NETWORK)?;
    let figure = "R2 of the request rate over busy windows";
    let candidate = run.candidate(DecisionLayer::Operational, figure, value);
    gate.compare(&run.options.models, candidate, |predecessor| {
        let net = OperationalNet::from_onnx(predecessor.graph())?;
        let windows = windows(&run.world, run.measured_on(), 1, true);
        score(BUSY, lstm::forecasts(&net, &windows)?, &windows)?.rate_r2(NETWORK)
    });
    let trained = Trained {
        net: &net,
        features: named(Encoder::of_names(&DEFAULT_FEATURES)?.features()),
        labels: DecisionLayer::Operational.labels(),
        training: training(train.len(), &settings, &fitted),
        metrics: scores::metrics(&tables),
        curves,
    };
    run.publish(trained, gate)?;
    Ok(tables)
}

/// `count` training windows, and the scaling of input and rate. The scaling covers all busy windows
/// of the training split, so that the greatest rate and queue do not depend on the draw.
fn training_windows(
    run: &Run,
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<(Vec<Window>, Scaling, OutputRange)> {
    let mut train = windows(&run.world, Scope::training(), 1, true);
    let (scaling, rate) = scaling(&train)?;
    train.shuffle(rng);
    train.truncate(count - count / ANY_WINDOW);
    let mut any = windows(&run.world, Scope::training(), IDLE_STRIDE, false);
    any.shuffle(rng);
    train.extend(any.into_iter().take(count / ANY_WINDOW));
    Ok((train, scaling, rate))
}

/// Fits `net` to `train`, which were drawn as `count` windows.
fn fit(
    run: &Run,
    net: &OperationalNet,
    (train, count): (&[Window], usize),
    settings: &lstm::Options,
) -> Result<(Fitted, Curves)> {
    let validation = windows(&run.world, Scope::validation(), STRIDE, true);
    let bar = progress::bar("operational")?;
    let checkpoints = run.checkpoints(DecisionLayer::Operational, net, settings)?;
    let mut monitor = Monitor::progress_only(&bar)
        .with_checkpoints(checkpoints.map(|kept| kept.with("windows", count)));
    let fitted = lstm::fit(net, [train, &validation], settings, &mut monitor)?;
    Ok((fitted, monitor.curves().clone()))
}

/// Maps every column to [0, 1] and the sine to [-1, 1]. Rates and queues are on a logarithmic scale
/// up to the greatest of `windows`.
fn scaling(windows: &[Window]) -> Result<(Scaling, OutputRange)> {
    let steps = || windows.iter().flat_map(|w| &w.x);
    let rate = steps().map(|x| x[0]).chain(windows.iter().map(|w| w.y[0])).fold(0.0, f32::max);
    let queue = steps().map(|x| x[3]).fold(1.0, f32::max);
    let logarithm = Transform::Log1p { gain: 1.0 };
    let share = Column::between(Transform::Linear, 0.0, 1.0);
    let columns = vec![
        Column::between(logarithm, 0.0, rate),
        share,
        share,
        Column::between(logarithm, 0.0, queue),
        Column { lower: -1.0, ..Column::between(Transform::Linear, 0.0, 1.0) },
    ];
    Ok((Scaling::new(columns)?, OutputRange::Log1p { log_span: rate.ln_1p() }))
}

fn training(windows: usize, settings: &lstm::Options, fitted: &Fitted) -> BTreeMap<String, Scalar> {
    let mut training = options::training(windows, &settings.schedule, fitted);
    training.extend(entries([
        ("loss", "squared error, weighted below and above the truth".into()),
        ("loss_weight_below", settings.below.into()),
        ("loss_weight_above", 1.0.into()),
    ]));
    training
}
