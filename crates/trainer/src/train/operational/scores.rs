//! Scores of a forecaster beside those of the simple forecasts.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use strata_policy::operational::LABELS;
use strata_simulator::{
    ForecastScore, Scorer, Window, exponential_smoothing, last_value, moving_average,
};

use super::windows::windows;
use crate::{publish::gate::Gate, report::ForecastTable, train::run::Run};

/// The name of the network in tables.
pub(super) const NETWORK: &str = "strata";
/// The simple forecast that a network must beat.
const BASELINE: &str = "moving average";
/// Windows with a call.
pub(super) const BUSY: &str = "busy";
/// All windows.
pub(super) const ALL: &str = "all";

/// Scores the forecasts of `forecast` over busy windows and over all windows.
pub(super) fn tables(
    run: &Run,
    mut forecast: impl FnMut(&[Window]) -> Result<Vec<Vec<f32>>>,
) -> Result<[ForecastTable; 2]> {
    let [busy, all] = [(BUSY, true), (ALL, false)].map(|(name, skip_idle)| {
        let windows = windows(&run.world, run.measured_on(), 1, skip_idle);
        score(name, forecast(&windows)?, &windows)
    });
    Ok([busy?, all?])
}

/// A gate that requires each table's network to beat the moving average.
pub(super) fn gate(tables: &[ForecastTable]) -> Gate {
    let mut gate = Gate::default();
    for table in tables {
        gate.require(table.ensure_beats(BASELINE));
    }
    gate
}

/// Scores the network's forecasts and the simple ones on the same windows.
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
    let names = [NETWORK, BASELINE, "exponential smoothing", "last value"];
    let all = names.into_iter().zip(scorers);
    let rows = all.map(|(name, scorer)| scorer.score().map(|score| (name, score)));
    Ok(ForecastTable { windows: name, rows: rows.into_iter().flatten().collect() })
}

/// The manifest's metrics: over busy windows under plain names, over all windows prefixed with
/// `all_`.
pub(super) fn metrics(tables: &[ForecastTable]) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    for table in tables {
        let prefix = if table.windows == BUSY { "" } else { "all_" };
        for (name, score) in &table.rows {
            let forecaster = match *name {
                NETWORK => String::new(),
                other => format!("{}_", other.replace(' ', "_")),
            };
            let ForecastScore { windows, r2, r2_mean, rmse, mae, asymmetric } = score;
            metrics.insert(format!("{prefix}windows"), *windows as f64);
            for (index, label) in LABELS.iter().enumerate() {
                let mut put = |what: &str, value: f64| {
                    metrics.insert(format!("{prefix}{forecaster}{what}_{label}"), value);
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
