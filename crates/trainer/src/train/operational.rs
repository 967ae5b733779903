//! Trains the operational layer.

use std::{collections::BTreeMap, num::NonZeroUsize};

use anyhow::{Context, Result};
use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::{DEFAULT_FEATURES, Encoder, LABELS, WINDOW_STEPS};
use strata_simulator::{
    ForecastScore, Scope, Scorer, Window, exponential_smoothing, last_value, moving_average,
};

use super::{
    forecast::{self, windows},
    progress,
    run::{Run, named},
};
use crate::{
    contract::Layer,
    fit::{Schedule, Watch, lstm},
    gate::{Candidate, Gate},
    nets::{OperationalNet, OutputRange},
    publish::{Description, publish},
    report::ForecastTable,
    scaling::{Column, Scaling, Transform},
};

/// Windows of the validation scope that are looked at: every such one. Odd, because a
/// minute has four steps and many functions are called at its beginning: an even stride would look
/// at some quarters of the minute only.
const STRIDE: usize = 5;
/// One of so many training windows is drawn from all there are, idle ones included, because those
/// are served too; the others are busy.
const ANY_WINDOW: usize = 4;
/// Steps between the windows from which those are drawn.
const IDLE_STRIDE: usize = 21;

/// Training windows of version 2, unless told otherwise.
const WINDOWS: usize = 400_000;
/// The same of version 1.
const RESEARCH_WINDOWS: usize = 200_000;

/// Budgets and settings.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args)]
pub struct OperationalOptions {
    /// Training windows, drawn from the training split: three quarters (version 1) or half (version 2)
    /// of them with a call [default: 200000 (version 1), 400000 (version 2)].
    #[arg(long)]
    pub lstm_windows: Option<usize>,
    /// Most passes over them.
    #[arg(long, default_value_t = 6)]
    pub lstm_epochs: usize,
    /// Passes without a better validation loss before training stops.
    #[arg(long, default_value_t = 3)]
    pub lstm_patience: usize,
    /// Windows per step.
    #[arg(long, default_value = "128")]
    pub lstm_batch: NonZeroUsize,
    /// Learning rate of the first step.
    #[arg(long, default_value_t = 2e-3)]
    pub lstm_learning_rate: f64,
    /// Weight of a squared error below the truth (version 1); above it counts 1. The research used 5, which
    /// raises every uncertain forecast; at 2 the rate of functions that were not seen is forecast no better than
    /// by the moving average. What is to be had in reserve is said by the bound of version 2.
    #[arg(long, default_value_t = 1.0)]
    pub lstm_below: f64,
    /// Share of the validation windows whose next step is not above the bound (version 2): more than the 0.95 that
    /// is wanted on functions that were not seen.
    #[arg(long, default_value_t = 0.96, value_parser = share)]
    pub bound_level: f64,
    /// Train version 1, on the research framework's own features.
    #[arg(skip)]
    pub research: bool,
}

/// A share strictly between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    let inside = share > 0.0 && share < 1.0;
    inside.then_some(share).ok_or_else(|| "must be above 0 and below 1".to_owned())
}

impl OperationalOptions {
    pub(super) fn windows(&self) -> usize {
        self.lstm_windows.unwrap_or(if self.research { RESEARCH_WINDOWS } else { WINDOWS })
    }

    pub(super) fn schedule(&self, seed: u64) -> Schedule {
        Schedule {
            seed,
            epochs: self.lstm_epochs,
            patience: self.lstm_patience,
            batch: self.lstm_batch,
            learning_rate: self.lstm_learning_rate,
        }
    }
}

/// Trains and publishes; returns the held-out scores over busy windows (those with a call) and over
/// all windows.
///
/// # Errors
/// When training diverges, parity fails or the model cannot be published.
pub fn train(run: &Run, options: &OperationalOptions) -> Result<[ForecastTable; 2]> {
    if !options.research {
        return forecast::train(run, options);
    }
    let seed = run.options.seed;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut train = windows(&run.world, Scope::training(), 1, true);
    // The greatest rate and queue are those of the whole training split, not of the draw.
    let (scaling, rate) = scaling(&train)?;
    train.shuffle(&mut rng);
    train.truncate(options.windows() - options.windows() / ANY_WINDOW);
    let mut any: Vec<Window> = windows(&run.world, Scope::training(), IDLE_STRIDE, false);
    any.shuffle(&mut rng);
    train.extend(any.into_iter().take(options.windows() / ANY_WINDOW));
    let validation = windows(&run.world, Scope::validation(), STRIDE, true);
    let outputs = vec![rate, OutputRange::Fraction, OutputRange::Fraction];
    let net = OperationalNet::new(scaling, WINDOW_STEPS, outputs, &mut rng)?;
    let settings = lstm::Options { schedule: options.schedule(seed), below: options.lstm_below };
    let bar = progress::bar("operational")?;
    let checkpoints = run.checkpoints((Layer::Operational, super::RESEARCH), &net, &settings)?;
    let mut watch =
        Watch::showing(&bar).kept(checkpoints.map(|kept| kept.with("windows", options.windows())));
    let fitted = lstm::fit(&net, [&train, &validation], &settings, &mut watch)?;

    let tables = [("busy", true), ("all", false)].map(|(name, skip_idle)| {
        let windows = windows(&run.world, run.judged_on(), 1, skip_idle);
        score(name, lstm::forecasts(&net, &windows)?, &windows)
    });
    let [busy, all] = tables;
    let tables = [busy?, all?];
    let mut gate = Gate::default();
    for table in &tables {
        gate.require(table.ensure_beats("moving average"));
    }
    let candidate = Candidate {
        layer: Layer::Operational,
        version: super::RESEARCH,
        figure: "R2 of the request rate over busy windows",
        value: tables[0].rate_r2("strata")?,
    };
    gate.compare(&run.options.models, candidate, |before| {
        let net = OperationalNet::from_onnx(before.graph())?;
        let windows = windows(&run.world, run.judged_on(), 1, true);
        score("busy", lstm::forecasts(&net, &windows)?, &windows)?.rate_r2("strata")
    });
    let encoder = Encoder::of_names(&DEFAULT_FEATURES)?;
    let mut description = Description {
        version: super::RESEARCH,
        features: named(encoder.features()),
        labels: Layer::Operational.labels(),
        data: run.data(),
        training: BTreeMap::from([
            ("windows".to_owned(), (train.len() as i64).into()),
            ("epochs".to_owned(), (fitted.validation.len() as i64).into()),
            ("best_epoch".to_owned(), (fitted.best as i64 + 1).into()),
            ("batch".to_owned(), (settings.schedule.batch.get() as i64).into()),
            ("learning_rate".to_owned(), settings.schedule.learning_rate.into()),
            ("optimiser".to_owned(), "Adam, cosine decay to a twentieth".into()),
            ("loss".to_owned(), "squared error, weighted below and above the truth".into()),
            ("loss_weight_below".to_owned(), settings.below.into()),
            ("loss_weight_above".to_owned(), 1.0.into()),
        ]),
        metrics: metrics(&tables),
        curves: Some(watch.curves().clone()),
    };
    gate.pass(run.options.force, &mut description.training)?;
    publish(&run.options.models, &net, &description, &run.runtime)?;
    Ok(tables)
}

/// Every column between 0 and 1, the sine between -1 and 1; rates and queues on a logarithmic scale
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

/// The network's forecasts and the simple ones of the same windows.
pub(super) fn score(
    name: &'static str,
    forecasts: Vec<Vec<f32>>,
    windows: &[Window],
) -> Result<ForecastTable> {
    let mut scorers = [(); 4].map(|()| Scorer::new());
    let [model, average, smoothing, last] = &mut scorers;
    for (window, forecast) in windows.iter().zip(&forecasts) {
        let forecast = forecast.as_slice().try_into().context("three values are forecast")?;
        model.add(window, forecast);
        average.add(window, moving_average(window));
        smoothing.add(window, exponential_smoothing(window));
        last.add(window, last_value(window));
    }
    let names = ["strata", "moving average", "exponential smoothing", "last value"];
    let all = names.into_iter().zip(scorers);
    let rows = all.map(|(name, scorer)| scorer.score().map(|score| (name, score)));
    Ok(ForecastTable { windows: name, rows: rows.into_iter().flatten().collect() })
}

/// Over busy windows under plain names, over all windows with `all_` before them.
pub(super) fn metrics(tables: &[ForecastTable]) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    for table in tables {
        let which = if table.windows == "busy" { "" } else { "all_" };
        for (name, score) in &table.rows {
            let forecaster = match *name {
                "strata" => String::new(),
                other => format!("{}_", other.replace(' ', "_")),
            };
            let ForecastScore { windows, r2, r2_mean, rmse, mae, asymmetric } = score;
            metrics.insert(format!("{which}windows"), *windows as f64);
            for (index, label) in LABELS.iter().enumerate() {
                let mut put = |what: &str, value: f64| {
                    metrics.insert(format!("{which}{forecaster}{what}_{label}"), value);
                };
                put("r2", r2[index]);
                put("r2_mean", r2_mean[index]);
                put("rmse", rmse[index]);
                put("mae", mae[index]);
                put("asymmetric_loss", asymmetric[index]);
            }
        }
    }
    metrics
}
