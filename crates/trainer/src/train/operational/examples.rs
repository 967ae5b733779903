//! Windows as the examples that the network of version 2 learns from, and the scaling of their
//! columns.

use std::{array, collections::BTreeMap};

use anyhow::{Context, Result};
use strata_domain::PlatformId;
use strata_policy::operational::{EXTENDED_FEATURES, Encoder, LABELS, Observation};
use strata_simulator::{FORECAST_VALUES, Window};

use crate::{
    fit::gated::Example,
    nets::Columns,
    scaling::{Column, Scaling, Transform},
};

/// The least scale of request rate (1/s), memory and CPU use.
const FLOORS: [f32; FORECAST_VALUES] = [0.05, 0.02, 0.02];
/// Added to the variance of each value in a function's training windows, to bound the weight of
/// functions that hardly vary.
const VARIANCE_FLOORS: [f64; FORECAST_VALUES] = [2e-4, 1e-3, 7e-4];
/// Weights are one over this power of the variance. With 1, the errors of all functions count
/// alike. With less, functions whose value varies much count more, because the errors of the rate
/// are judged over all functions together too.
const VARIANCE_POWERS: [f64; FORECAST_VALUES] = [0.75, 1.0, 1.0];

/// Count, sum and sum of squares of each value.
#[derive(Default)]
struct Moments([(f64, f64, f64); FORECAST_VALUES]);

impl Moments {
    fn add(&mut self, values: [f32; FORECAST_VALUES]) {
        for ((count, sum, squares), value) in self.0.iter_mut().zip(values.map(f64::from)) {
            *count += 1.0;
            *sum += value;
            *squares += value * value;
        }
    }

    /// The weight of the squared error of each value.
    fn weights(&self) -> [f32; FORECAST_VALUES] {
        array::from_fn(|output| {
            let (count, sum, squares) = self.0[output];
            let variance = (squares / count - (sum / count).powi(2)).max(0.0);
            let (floor, power) = (VARIANCE_FLOORS[output], VARIANCE_POWERS[output]);
            // At a variance of zero the weight does not depend on the power.
            (1.0 / (floor.powf(1.0 - power) * (variance + floor).powf(power))) as f32
        })
    }
}

/// The examples of `windows`. Each is weighted by the variance of the function's values among them;
/// a function on another platform counts as another function, because the worlds that windows are
/// drawn from place it differently.
pub(super) fn examples(encoder: &Encoder, windows: &[Window]) -> Vec<Example> {
    let key = |window: &Window| (window.function, window.platform);
    let mut moments: BTreeMap<(usize, PlatformId), Moments> = BTreeMap::new();
    for window in windows {
        moments.entry(key(window)).or_default().add(window.y);
    }
    let weights: BTreeMap<_, _> =
        moments.into_iter().map(|(key, moments)| (key, moments.weights())).collect();
    let example = |window: &Window| {
        let steps = window.steps();
        let observation = Observation {
            window: &steps,
            calls: window.calls,
            keep_alive_minutes: window.keep_alive_minutes,
        };
        let mut row = Vec::with_capacity(encoder.width());
        encoder.encode(&observation, &mut row);
        let weights = weights.get(&key(window)).map(|weights| weights.to_vec());
        Example { row, truth: window.y.to_vec(), weights: weights.unwrap_or_default() }
    };
    windows.iter().map(example).collect()
}

/// Keeps shares and probabilities as they are, and puts everything else on a logarithmic scale up
/// to the greatest value of the training examples.
pub(super) fn scaling(encoder: &Encoder, train: &[Example]) -> Result<Scaling> {
    let width = encoder.features().count();
    let greatest = |index: usize| {
        let values = train.iter().flat_map(|e| e.row.iter().skip(index).step_by(width));
        values.copied().fold(1.0, f32::max)
    };
    let logarithm =
        |gain: f32, index: usize| Column::between(Transform::Log1p { gain }, 0.0, greatest(index));
    let columns = encoder.features().enumerate().map(|(index, (_, unit, min, max))| match unit {
        "1/s" => logarithm(10.0, index),
        "s" if min >= 0.0 => logarithm(1.0, index),
        "1" if max > 10.0 => logarithm(1.0, index),
        _ => Column::between(Transform::Linear, min as f32, max as f32),
    });
    Scaling::new(columns.collect())
}

/// The columns of the extended features that belong to the outputs.
pub(super) fn columns() -> Result<Columns> {
    let position = |name: &str| {
        let found = EXTENDED_FEATURES.iter().position(|known| *known == name);
        found.with_context(|| format!("version 2 has no feature `{name}`"))
    };
    let of = |prefix: &str| -> Result<Vec<usize>> {
        LABELS.iter().map(|label| position(&format!("{prefix}{label}"))).collect()
    };
    Ok(Columns {
        observed: of("")?,
        busy: of("busy_")?,
        expected: of("expected_")?,
        floor: FLOORS.to_vec(),
    })
}
