//! Checks that ONNX Runtime computes what candle computes.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_runtime::{Batch, Model};

use crate::nets::Network;

/// Random rows that both compute.
pub const ROWS: usize = 1000;
/// Sizes of the batches: one row, the smallest batch of several, an odd one, and the largest that a
/// service gathers by default.
pub const BATCH_SIZES: [usize; 4] = [1, 2, 7, 64];
/// The greatest error allowed, relative to max(|reference|, 1).
pub const TOLERANCE: f64 = 1e-5;

/// The difference between the two.
#[derive(Debug, Clone, PartialEq)]
pub struct Parity {
    /// Batch size and greatest relative error at that size.
    pub errors: [(usize, f64); BATCH_SIZES.len()],
}

impl Parity {
    /// The greatest relative error at any batch size.
    pub fn worst(&self) -> f64 {
        self.errors.iter().map(|(_, error)| *error).fold(0.0, f64::max)
    }
}

/// Runs the same seeded random rows, in raw units, through `network` (the reference) and `model`,
/// and compares the outputs.
///
/// # Errors
/// When the error exceeds [`TOLERANCE`], a value is not finite, or one side cannot run.
pub fn check(network: &dyn Network, model: &Model, seed: u64) -> Result<Parity> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let width = network.scaling().width();
    let row_len: usize = network.input().shape.iter().product();
    let rows: Vec<f32> =
        (0..ROWS * row_len / width).flat_map(|_| network.scaling().sample(&mut rng)).collect();
    let mut errors = [(0, 0.0); BATCH_SIZES.len()];
    for (slot, size) in errors.iter_mut().zip(BATCH_SIZES) {
        let mut worst = 0f64;
        for batch in rows.chunks(size * row_len) {
            worst = worst.max(batch_error(network, model, batch, batch.len() / row_len)?);
        }
        ensure!(
            worst <= TOLERANCE,
            "{} network: ONNX Runtime and candle differ by {worst:e} at batch size {size}, at \
             most {TOLERANCE:e} is allowed",
            network.layer()
        );
        *slot = (size, worst);
    }
    Ok(Parity { errors })
}

/// The greatest relative error over all outputs of one batch.
fn batch_error(network: &dyn Network, model: &Model, batch: &[f32], rows: usize) -> Result<f64> {
    let mut shape = vec![rows];
    shape.extend(network.input().shape);
    let references = network.run(&Tensor::from_slice(batch, shape, &Device::Cpu)?)?;
    let batch = Batch { rows, inputs: vec![batch.to_vec()], ..Batch::default() };
    let served = model.infer_blocking(batch).context("ONNX Runtime cannot run the batch")?.outputs;
    ensure!(served.len() == references.len(), "the model has {} outputs", served.len());
    let mut worst = 0f64;
    for (reference, served) in references.iter().zip(&served) {
        let reference: Vec<f32> = reference.flatten_all()?.to_vec1()?;
        ensure!(reference.len() == served.len(), "the outputs differ in length");
        for (&expected, &found) in reference.iter().zip(served) {
            ensure!(expected.is_finite() && found.is_finite(), "an output is not finite");
            let (expected, found) = (f64::from(expected), f64::from(found));
            worst = worst.max((expected - found).abs() / expected.abs().max(1.0));
        }
    }
    Ok(worst)
}
