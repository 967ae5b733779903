//! Trains version 2 of the operational layer: more features, and a bound beside the forecast.

use std::{array, collections::BTreeMap};

use anyhow::{Context, Result, anyhow};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::{EXTENDED_FEATURES, Encoder, LABELS, WINDOW_STEPS};
use strata_runtime::Scalar;
use strata_simulator::{FORECAST_VALUES, Scope, Window, WindowOptions, World, last_value};

use super::{
    examples::{columns, examples, scaling},
    options::{self, OperationalOptions},
    scores::{self, ALL, NETWORK, score},
    windows::{MOST_TIMES_BUSIER, STRIDE, WORLDS, busier, draw, windows},
};
use crate::{
    contract::{DecisionLayer, FeatureSet},
    fit::{
        Curves, Fitted, Monitor,
        bound::{self, Calibration},
        gated::{self, Example},
    },
    nets::{self, Correction, GatedNet},
    publish::gate::Predecessor,
    report::ForecastTable,
    train::{
        progress,
        run::{Run, Trained, entries, named},
    },
};

/// How far the bound may lie above the truth on validation, relative to twice the last value. Below
/// 1, because other functions differ.
const SHARE_OF_TWICE_LAST: f64 = 0.9;

/// Trains and publishes; returns the scores as [`super::train`] does.
pub(super) fn train(run: &Run, options: &OperationalOptions) -> Result<[ForecastTable; 2]> {
    let count = options.windows(FeatureSet::Extended);
    let seed = run.options.seed;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let encoder = Encoder::of_names(&EXTENDED_FEATURES)?;
    let train = draw(&run.variations, count, &mut rng);
    let train: Vec<Example> = train.iter().flat_map(|group| examples(&encoder, group)).collect();
    let mut net = GatedNet::new(scaling(&encoder, &train)?, WINDOW_STEPS, &columns()?, &mut rng)?;
    let settings = gated::Options { schedule: options.schedule(seed), level: options.bound_level };
    let validation = windows(&run.world, Scope::validation(), STRIDE, false);
    let sets = [train.as_slice(), &examples(&encoder, &validation)];
    let (fitted, curves) = fit(run, &net, (sets, count), &settings)?;
    calibrate(run, &encoder, &mut net, options.bound_level)?;

    let (tables, exceeded) = measure(run, &encoder, &net)?;
    let mut gate = scores::gate(&tables);
    let value = tables[1].mean_r2(NETWORK)?;
    let figure = "mean R2 of the three values over all windows";
    let candidate = run.candidate(DecisionLayer::Operational, figure, value);
    gate.compare(&run.options.models, candidate, |predecessor| mean_r2(run, predecessor));
    let mut metrics = scores::metrics(&tables);
    metrics.extend(exceeded);
    let trained = Trained {
        net: &net,
        features: named(encoder.features()),
        labels: labels()?,
        training: training(train.len(), &settings, &fitted, net.correction()),
        metrics,
        curves,
    };
    run.publish(trained, gate)?;
    Ok(tables)
}

/// Fits `net` to training and validation examples; the former were drawn as `count` windows.
fn fit(
    run: &Run,
    net: &GatedNet,
    (sets, count): ([&[Example]; 2], usize),
    settings: &gated::Options,
) -> Result<(Fitted, Curves)> {
    let bar = progress::bar("operational")?;
    let checkpoints = run.checkpoints(DecisionLayer::Operational, net, settings)?;
    let mut monitor = Monitor::progress_only(&bar)
        .with_checkpoints(checkpoints.map(|kept| kept.with("windows", count)));
    let fitted = gated::fit(net, sets, settings, &mut monitor)?;
    Ok((fitted, monitor.curves().clone()))
}

/// Corrects the bound on windows of the validation scope that did not choose the weights.
fn calibrate(run: &Run, encoder: &Encoder, net: &mut GatedNet, level: f64) -> Result<()> {
    let of = |world: &World, skip_idle: bool| -> Vec<Window> {
        let options = WindowOptions { stride: STRIDE, offset: 1, skip_idle };
        world.windows(Scope::validation(), options).collect()
    };
    let (busy, all) = (of(&run.world, true), of(&run.world, false));
    let busier = of(&busier(&run.world, WORLDS as u64), true);
    let most_excess: [f64; FORECAST_VALUES] =
        array::from_fn(|output| SHARE_OF_TWICE_LAST * excess_of_twice_last(&all, output));
    let calibration = Calibration {
        busy: &examples(encoder, &busy),
        busier: &examples(encoder, &busier),
        all: &examples(encoder, &all),
        level,
        most_excess: &most_excess,
    };
    bound::calibrate(net, calibration)
}

/// How far twice the last value lies above the truth: the mean over the windows where it is not
/// below.
fn excess_of_twice_last(windows: &[Window], output: usize) -> f64 {
    let excess = windows.iter().map(|w| f64::from(2.0 * last_value(w)[output] - w.y[output]));
    let excess: Vec<f64> = excess.filter(|excess| *excess >= 0.0).collect();
    excess.iter().sum::<f64>() / excess.len().max(1) as f64
}

/// The scores of `net`, and the metrics that say how often the truth exceeds its bound.
fn measure(
    run: &Run,
    encoder: &Encoder,
    net: &GatedNet,
) -> Result<([ForecastTable; 2], BTreeMap<String, f64>)> {
    let mut shares = Vec::new();
    let tables = scores::tables(run, |windows| {
        let outputs = gated::outputs(net, &examples(encoder, windows))?;
        let [points, upper] = <[_; 2]>::try_from(outputs)
            .map_err(|outputs| anyhow!("{} outputs instead of 2", outputs.len()))?;
        shares.push(shares_exceeded(windows, &upper));
        Ok(points)
    })?;
    let mut metrics = BTreeMap::new();
    for (prefix, shares) in ["", "all_"].iter().zip(shares) {
        for (label, share) in LABELS.iter().zip(shares) {
            metrics.insert(format!("{prefix}upper_exceeded_{label}"), share);
        }
    }
    Ok((tables, metrics))
}

/// For each output, the share of windows whose truth exceeds the bound.
fn shares_exceeded(windows: &[Window], bounds: &[Vec<f32>]) -> [f64; FORECAST_VALUES] {
    array::from_fn(|output| {
        let pairs = windows.iter().zip(bounds);
        let exceeded = pairs.filter(|(window, upper)| window.y[output] > upper[output]);
        exceeded.count() as f64 / windows.len().max(1) as f64
    })
}

/// The figure of a network in service that the new one is compared with.
fn mean_r2(run: &Run, predecessor: &Predecessor) -> Result<f64> {
    let net = nets::from_onnx(predecessor.graph())?;
    let encoder = Encoder::of_names(&predecessor.features())?;
    let windows = windows(&run.world, run.measured_on(), 1, false);
    let outputs = gated::outputs(net.as_ref(), &examples(&encoder, &windows))?;
    let points = outputs.into_iter().next().context("the network has no output")?;
    score(ALL, points, &windows)?.mean_r2(NETWORK)
}

/// The labels of the forecast and of the bound.
fn labels() -> Result<Vec<Vec<String>>> {
    let mut labels = DecisionLayer::Operational.labels();
    let bound = DecisionLayer::Operational.optional_output();
    labels.push(bound.context("the operational layer has no bound")?.1);
    Ok(labels)
}

fn training(
    windows: usize,
    settings: &gated::Options,
    fitted: &Fitted,
    corrections: &[Correction],
) -> BTreeMap<String, Scalar> {
    let mut training = options::training(windows, &settings.schedule, fitted);
    let loss = "squared error over the function's variance, of the rate over its power 0.75; \
                quantile loss for the bound";
    training.extend(entries([
        ("most_times_busier", i64::from(MOST_TIMES_BUSIER).into()),
        ("loss", loss.into()),
        ("bound_level", settings.level.into()),
    ]));
    for (label, correction) in LABELS.iter().zip(corrections) {
        let Correction { factor, constant } = *correction;
        training.insert(format!("bound_factor_{label}"), f64::from(factor).into());
        training.insert(format!("bound_constant_{label}"), f64::from(constant).into());
    }
    training
}
