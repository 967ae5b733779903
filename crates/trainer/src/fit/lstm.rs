//! Fits the operational network: what comes next, with too little costing more than too much.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_simulator::Window;

use super::optimiser::Adam;
use super::watch::Watch;
use crate::nets::{Network, OperationalNet, Parameters};

/// Gradients of an LSTM can explode over twelve steps.
const MAX_GRADIENT_NORM: f64 = 1.0;
/// Rows per batch when nothing is learnt.
const FORWARD_BATCH: usize = 512;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Seed of the order of the windows.
    pub seed: u64,
    /// Most passes over the training windows.
    pub epochs: usize,
    /// Epochs without a better validation loss before it stops.
    pub patience: usize,
    /// Windows per step.
    pub batch: NonZeroUsize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine over all
    /// epochs.
    pub learning_rate: f64,
    /// Weight of a squared error below the truth; above it counts 1.
    pub below: f64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Validation loss after each epoch.
    pub validation: Vec<f64>,
    /// The epoch, from 0, whose weights the network now has.
    pub best: usize,
}

/// Fits `net` to `train` and leaves it with the weights that did best on `validation`.
///
/// The loss of an output is its squared error, on the scale of the network and over the output's
/// variance in `train` so that all outputs count alike, times [`Options::below`] where the forecast
/// is too low.
///
/// # Errors
/// When there are no windows, or training diverges.
pub fn fit(
    net: &OperationalNet,
    [train, validation]: [&[Window]; 2],
    options: &Options,
    watch: &mut Watch<'_, OperationalNet>,
) -> Result<Fitted> {
    let progress = watch.progress;
    ensure!(!train.is_empty() && !validation.is_empty(), "there are no windows to learn from");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(options.seed);
    let loss = Loss::new(net, train, options.below)?;
    let batches = train.len().div_ceil(options.batch.get());
    progress.set_length((batches * options.epochs) as u64);
    let mut adam = Adam::new(net.parameters().vars(), options.learning_rate, MAX_GRADIENT_NORM)?;
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut best = Parameters::new();
    let mut fitted = Fitted { validation: Vec::new(), best: 0 };
    let mut start = 0;
    if let Some(state) = watch.resume(net)? {
        start = usize::try_from(state.step)?;
        fitted = Fitted { validation: state.list("validation")?, best: state.count("best.epoch")? };
        best = net.parameters().snapshot()?;
        state.restore_parameters("chosen", &best)?;
        adam.restore(&state)?;
        progress.set_position((batches * start) as u64);
        // The order of an epoch is that of the one before, shuffled again.
        (0..start).for_each(|_| order.shuffle(&mut rng));
    }
    for epoch in start..options.epochs {
        order.shuffle(&mut rng);
        for (index, chosen) in order.chunks(options.batch.get()).enumerate() {
            let done = (epoch * batches + index) as f64 / (batches * options.epochs) as f64;
            adam.set_learning_rate(options.learning_rate * super::cosine_decay(done, 0.05));
            let windows: Vec<&Window> = chosen.iter().map(|&i| &train[i]).collect();
            let value = adam.step(&loss.of(net, &windows)?)?;
            watch.curves.add("loss", (epoch * batches + index) as f64, value);
            progress.inc(1);
        }
        let value = loss.mean(net, validation)?;
        if fitted.validation.iter().all(|&earlier| value < earlier) {
            best = net.parameters().snapshot()?;
            fitted.best = epoch;
        }
        fitted.validation.push(value);
        watch.curves.add("loss on validation", ((epoch + 1) * batches) as f64, value);
        progress.set_message(format!("validation loss {value:.4}"));
        if epoch - fitted.best >= options.patience || epoch + 1 == options.epochs {
            break;
        }
        watch.save(net, epoch + 1, |state| {
            state.put_list("validation", &fitted.validation)?;
            state.numbers.insert("best.epoch".to_owned(), fitted.best as f64);
            state.put_parameters("chosen", &best)?;
            adam.save(state)
        })?;
    }
    net.parameters().copy_from(&best)?;
    progress.finish_and_clear();
    Ok(fitted)
}

/// The forecasts of `windows` in raw units, one row each.
///
/// # Errors
/// When the network takes other windows.
pub fn forecasts(net: &OperationalNet, windows: &[Window]) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(windows.len());
    for chunk in windows.chunks(FORWARD_BATCH) {
        let chunk: Vec<&Window> = chunk.iter().collect();
        rows.extend(net.forecast(&inputs(&chunk)?)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}

/// Windows as [batch, steps, features].
fn inputs(windows: &[&Window]) -> Result<Tensor> {
    let first = windows.first().context("a batch has at least one window")?;
    let shape = (windows.len(), first.x.len(), first.x[0].len());
    let values: Vec<f32> = windows.iter().flat_map(|w| w.x.iter().flatten()).copied().collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// The asymmetric squared error, outputs weighed by the inverse of their variance.
struct Loss {
    below: f64,
    /// [outputs]
    weights: Tensor,
}

impl Loss {
    fn new(net: &OperationalNet, train: &[Window], below: f64) -> Result<Self> {
        let targets: Vec<Vec<f32>> = train.iter().map(|w| net.normalise(&w.y)).collect();
        let count = targets.len() as f64;
        let outputs = targets.first().map_or(0, Vec::len);
        let weights: Vec<f32> = (0..outputs)
            .map(|output| {
                let values = || targets.iter().map(|t| f64::from(t[output]));
                let mean = values().sum::<f64>() / count;
                let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                // An output that never varies has nothing to teach, and nothing to divide by.
                if variance > 0.0 { (1.0 / variance) as f32 } else { 0.0 }
            })
            .collect();
        Ok(Self { below, weights: Tensor::from_vec(weights, outputs, &Device::Cpu)? })
    }

    /// A scalar.
    fn of(&self, net: &OperationalNet, windows: &[&Window]) -> Result<Tensor> {
        let forecast = net.normalised(&inputs(windows)?)?;
        let targets: Vec<f32> = windows.iter().flat_map(|w| net.normalise(&w.y)).collect();
        let error = (forecast
            - Tensor::from_vec(targets, (windows.len(), self.weights.dim(0)?), &Device::Cpu)?)?;
        let above = error.relu()?;
        let below = error.neg()?.relu()?;
        let squared = (above.sqr()? + (below.sqr()? * self.below)?)?;
        Ok(squared.broadcast_mul(&self.weights)?.mean_all()?)
    }

    fn mean(&self, net: &OperationalNet, windows: &[Window]) -> Result<f64> {
        let mut sum = 0.0;
        for chunk in windows.chunks(FORWARD_BATCH) {
            let chunk: Vec<&Window> = chunk.iter().collect();
            sum += f64::from(self.of(net, &chunk)?.to_scalar::<f32>()?) * chunk.len() as f64;
        }
        Ok(sum / windows.len() as f64)
    }
}
