//! Fits the operational network of version 2: what comes next on average, and what it will hardly exceed.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::lstm::Fitted;
use super::optimiser::Adam;
use crate::nets::{GatedNet, Network, Parameters, Parts};

/// Gradients of an LSTM can explode over twelve steps.
const MAX_GRADIENT_NORM: f64 = 1.0;
/// Rows per batch when nothing is learnt.
const FORWARD_BATCH: usize = 512;
/// Weight of the bound's loss beside the forecast's. The bound is a small head on the same trunk.
const BOUND_WEIGHT: f64 = 0.2;

/// A window to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The input row [steps * features] in raw units.
    pub row: Vec<f32>,
    /// What came next, one value per output.
    pub truth: Vec<f32>,
    /// Weight of the squared error of each output: one over what the function's value varies by.
    pub weights: Vec<f32>,
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Seed of the order of the windows.
    pub seed: u64,
    /// Most passes over the training windows.
    pub epochs: usize,
    /// Epochs without a better validation loss before it stops.
    pub patience: usize,
    /// Windows per step; above zero.
    pub batch: usize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine over all
    /// epochs.
    pub learning_rate: f64,
    /// Share of windows whose truth the bound is not to be below, 0 to 1.
    pub level: f64,
}

/// Fits `net` to `train`, leaves it with the weights that did best on `validation`, and sets the constants of its bound so that it
/// holds on a share [`Options::level`] of `validation`.
///
/// The loss is the weighted squared error of the forecast plus the quantile loss (Koenker and Bassett 1978) of the headroom, which
/// counts too little `level / (1 - level)` times as much as too much.
///
/// # Errors
/// When there are no windows, or training diverges.
pub fn fit(
    net: &mut GatedNet,
    [train, validation]: [&[Example]; 2],
    options: &Options,
    progress: &ProgressBar,
) -> Result<Fitted> {
    ensure!(!train.is_empty() && !validation.is_empty(), "there are no windows to learn from");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(options.seed);
    let batch = options.batch.max(1);
    let batches = train.len().div_ceil(batch);
    progress.set_length((batches * options.epochs) as u64);
    let mut adam = Adam::new(net.parameters().vars(), options.learning_rate, MAX_GRADIENT_NORM)?;
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut best = Parameters::new();
    let mut fitted = Fitted { validation: Vec::new(), best: 0 };
    for epoch in 0..options.epochs {
        order.shuffle(&mut rng);
        for (index, chosen) in order.chunks(batch).enumerate() {
            let done = (epoch * batches + index) as f64 / (batches * options.epochs) as f64;
            adam.set_learning_rate(options.learning_rate * super::cosine_decay(done, 0.05));
            let examples: Vec<&Example> = chosen.iter().map(|&i| &train[i]).collect();
            adam.step(&loss(net, &examples, options.level)?)?;
            progress.inc(1);
        }
        let value = mean_loss(net, validation, options.level)?;
        if fitted.validation.iter().all(|&earlier| value < earlier) {
            best = net.parameters().snapshot()?;
            fitted.best = epoch;
        }
        fitted.validation.push(value);
        progress.set_message(format!("validation loss {value:.4}"));
        if epoch - fitted.best >= options.patience {
            break;
        }
    }
    net.parameters().copy_from(&best)?;
    net.set_conformal(conformal(net, validation, options.level)?)?;
    progress.finish_and_clear();
    Ok(fitted)
}

/// Forecast and bound of each example, raw units, not clipped.
///
/// # Errors
/// When the network takes other windows.
pub fn forecasts(net: &GatedNet, examples: &[Example]) -> Result<Vec<[Vec<f32>; 2]>> {
    let mut rows = Vec::with_capacity(examples.len());
    for chunk in examples.chunks(FORWARD_BATCH) {
        let chunk: Vec<&Example> = chunk.iter().collect();
        let outputs = net.run(&inputs(net, &chunk)?)?;
        let [forecast, upper] = outputs.as_slice() else { anyhow::bail!("two outputs are made") };
        rows.extend(
            forecast.to_vec2::<f32>()?.into_iter().zip(upper.to_vec2::<f32>()?).map(<[_; 2]>::from),
        );
    }
    Ok(rows)
}

/// Examples as [batch, steps, features].
fn inputs(net: &GatedNet, examples: &[&Example]) -> Result<Tensor> {
    let mut shape = vec![examples.len()];
    shape.extend(net.input().shape);
    let values: Vec<f32> = examples.iter().flat_map(|e| &e.row).copied().collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// One value per output of each example, [batch, outputs].
fn column<'e>(
    examples: &[&'e Example],
    values: impl Fn(&'e Example) -> &'e [f32],
) -> Result<Tensor> {
    let first = examples.first().context("a batch has at least one window")?;
    let shape = (examples.len(), values(first).len());
    let values: Vec<f32> = examples.iter().flat_map(|e| values(e)).copied().collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// A scalar.
fn loss(net: &GatedNet, examples: &[&Example], level: f64) -> Result<Tensor> {
    let Parts { forecast, headroom, scale } = net.parts(&inputs(net, examples)?)?;
    let truth = column(examples, |e| &e.truth)?;
    let error = (&truth - &forecast)?;
    let squared = (error.sqr()? * column(examples, |e| &e.weights)?)?.mean_all()?;
    // How far the truth is above the headroom; the forecast does not learn from it.
    let lacking = ((error.detach() / scale)? - headroom)?;
    let quantile = ((lacking.relu()? * level)? + (lacking.neg()?.relu()? * (1.0 - level))?)?;
    Ok((squared + (quantile.mean_all()? * BOUND_WEIGHT)?)?)
}

fn mean_loss(net: &GatedNet, examples: &[Example], level: f64) -> Result<f64> {
    let mut sum = 0.0;
    for chunk in examples.chunks(FORWARD_BATCH) {
        let chunk: Vec<&Example> = chunk.iter().collect();
        sum += f64::from(loss(net, &chunk, level)?.to_scalar::<f32>()?) * chunk.len() as f64;
    }
    Ok(sum / examples.len() as f64)
}

/// For each output the constant that, added to the headroom, makes the bound hold on a share `level` of the examples: the
/// ceil((n + 1) level)-th smallest of what the headroom lacks.
fn conformal(net: &GatedNet, examples: &[Example], level: f64) -> Result<Vec<f32>> {
    let mut lacking: Vec<Vec<f32>> = Vec::new();
    for chunk in examples.chunks(FORWARD_BATCH) {
        let chunk: Vec<&Example> = chunk.iter().collect();
        let Parts { forecast, headroom, scale } = net.parts(&inputs(net, &chunk)?)?;
        let error = (column(&chunk, |e| &e.truth)? - forecast)?;
        lacking.extend(((error / scale)? - headroom)?.to_vec2::<f32>()?);
    }
    let rank = ((lacking.len() + 1) as f64 * level).ceil() as usize;
    let rank = rank.clamp(1, lacking.len()) - 1;
    let outputs = lacking.first().map_or(0, Vec::len);
    Ok((0..outputs)
        .map(|output| {
            let mut values: Vec<f32> = lacking.iter().map(|row| row[output]).collect();
            values.sort_unstable_by(f32::total_cmp);
            values[rank]
        })
        .collect())
}
