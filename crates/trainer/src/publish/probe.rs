//! Runs valid input, random and extreme, through a model: every output must be finite.

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_runtime::{Batch, Model, RowStatus};

use super::parity::BATCH_SIZES;
use crate::contract::Bound;

/// Random rows that are run.
const RANDOM_ROWS: usize = 512;
/// Every combination of least and greatest value is run for the first so many features.
const COMBINED: usize = 10;
/// Rows of a batch of extreme input.
const CHUNK: usize = 64;
/// Any seed would do; a fixed one finds the same fault again.
const SEED: u64 = 2;
/// Half of the random values are spread over so many decades below the greatest value.
const DECADES: f64 = 8.0;

/// Runs `model`, whose only input has the columns `bounds` at one or several steps, on random rows
/// at each of [`BATCH_SIZES`] and on extreme rows: every feature alone at its least and its
/// greatest value, and all combinations of the first ten. Returns the number of rows.
///
/// # Errors
/// With the input, when an output is not finite or the graph cannot run.
pub(crate) fn finite(model: &Model, bounds: &[Bound]) -> Result<usize> {
    let input = model.manifest().inputs.first().context("the model has no input")?;
    let row_len = input.shape.row_len();
    ensure!(
        !bounds.is_empty() && row_len.is_multiple_of(bounds.len()),
        "rows of {row_len} values do not hold {} features",
        bounds.len()
    );
    let mut count = 0;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for size in BATCH_SIZES {
        let rows: Vec<f32> = (0..RANDOM_ROWS / BATCH_SIZES.len() * row_len)
            .map(|position| random(&bounds[position % bounds.len()], &mut rng))
            .collect();
        count += run(model, &rows, [size, row_len], bounds).context("random valid input")?;
    }
    let steps = row_len / bounds.len();
    let rows: Vec<f32> = corners(bounds).into_iter().flat_map(|row| row.repeat(steps)).collect();
    count += run(model, &rows, [CHUNK, row_len], bounds).context("extreme valid input")?;
    Ok(count)
}

fn random(bound: &Bound, rng: &mut Xoshiro256PlusPlus) -> f32 {
    let part: f64 = rng.random_range(0.0..1.0);
    let part = if rng.random_bool(0.5) { part } else { 10f64.powf(-DECADES * part) };
    (bound.min + part * (bound.max - bound.min)).clamp(bound.min, bound.max) as f32
}

/// Rows of one step whose values are at their bounds.
fn corners(bounds: &[Bound]) -> Vec<Vec<f32>> {
    let row = |at_max: &dyn Fn(usize) -> bool| -> Vec<f32> {
        let value = |(i, b): (usize, &Bound)| if at_max(i) { b.max as f32 } else { b.min as f32 };
        bounds.iter().enumerate().map(value).collect()
    };
    let mut rows = Vec::new();
    for alone in 0..bounds.len() {
        rows.push(row(&|index| index == alone));
        rows.push(row(&|index| index != alone));
    }
    let combined = bounds.len().min(COMBINED);
    for set in 0..1usize << combined {
        for rest in [false, true] {
            rows.push(row(&|i| if i < combined { set >> i & 1 == 1 } else { rest }));
        }
    }
    rows
}

/// Runs rows in batches of `layout[0]` rows of `layout[1]` values.
fn run(model: &Model, rows: &[f32], layout: [usize; 2], bounds: &[Bound]) -> Result<usize> {
    let [size, row_len] = layout;
    for batch in rows.chunks(size * row_len) {
        let count = batch.len() / row_len;
        let inputs = vec![batch.to_vec()];
        let inference = model
            .infer_blocking(Batch { rows: count, inputs, ..Batch::default() })
            .with_context(|| format!("the graph cannot run {count} rows"))?;
        if let Some(bad) = inference.rows.iter().position(|row| *row != RowStatus::Done) {
            let values = batch[bad * row_len..].iter().take(bounds.len());
            let shown: Vec<String> =
                bounds.iter().zip(values).map(|(b, v)| format!("{}={v}", b.name)).collect();
            bail!(
                "an output is not finite at batch size {count} for the row that starts with {}",
                shown.join(", ")
            );
        }
    }
    Ok(rows.len() / row_len)
}
