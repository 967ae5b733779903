//! Measures the time of a row on this machine.

use std::{fmt, time::Instant};

use anyhow::{Context, Result};
use strata_runtime::{Batch, Model};

/// Rows of a batch: one, some, and the most that a service gathers by default.
const SIZES: [usize; 3] = [1, 16, 64];
/// Turns of each graph. The graphs alternate, because the machine's speed drifts.
const ROUNDS: usize = 120;
/// Fewest rows of one turn, which take some milliseconds.
const ROWS: usize = 128;

/// Time of a row in batches of one size: the first quartile of all turns, because other programs
/// can only make a turn longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Rows of a batch.
    pub rows: usize,
    /// Microseconds per row of the original and of the variant.
    pub micros: [f64; 2],
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [fp32, int8] = self.micros;
        let change = 100.0 * (int8 / fp32 - 1.0);
        write!(f, "runs of {:2} rows: {fp32:.1} us -> {int8:.1} us ({change:+.0} %)", self.rows)
    }
}

/// Times both at each size.
///
/// # Errors
/// When one of them cannot run.
pub(super) fn measure(models: [&Model; 2]) -> Result<Vec<Speed>> {
    SIZES.iter().map(|rows| at(models, *rows)).collect()
}

fn at(models: [&Model; 2], rows: usize) -> Result<Speed> {
    let mut turns = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    for round in 0..=ROUNDS {
        for (model, turns) in models.iter().zip(&mut turns) {
            let begun = Instant::now();
            let runs = ROWS.div_ceil(rows);
            for _ in 0..runs {
                run(model, rows)?;
            }
            // The first turn warms up.
            if round > 0 {
                turns.push(begun.elapsed().as_secs_f64() * 1e6 / (runs * rows) as f64);
            }
        }
    }
    Ok(Speed { rows, micros: turns.map(quartile) })
}

/// Runs a batch as a service does: in place if possible, else on the thread that owns the session.
fn run(model: &Model, rows: usize) -> Result<()> {
    let inputs = &model.manifest().inputs;
    // The values do not affect the time.
    let inputs = inputs.iter().map(|input| vec![0.5; rows * input.shape.row_len()]).collect();
    let batch = Batch { rows, inputs, ..Batch::default() };
    match model.infer_in_place(batch) {
        Ok(done) => done.map(drop),
        Err(batch) => model.infer_blocking(batch).map(drop),
    }
    .context("the graph cannot run")
}

fn quartile(mut turns: Vec<f64>) -> f64 {
    turns.sort_unstable_by(f64::total_cmp);
    turns.get(turns.len() / 4).copied().unwrap_or(f64::NAN)
}
