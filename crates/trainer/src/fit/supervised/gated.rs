//! Fits the operational network of version 2: the mean of the next step, and a bound that it seldom
//! exceeds.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};

use super::epochs::{self, FORWARD_BATCH, Fitted, Schedule};
use crate::{
    fit::monitor::Monitor,
    nets::{GatedNet, Network, Parts},
};

/// Weight of the bound's loss relative to the forecast's, with which it is three tenths of the
/// total. With a fiftieth of that weight the quantile loss on validation was a third larger, and
/// the error of the forecast, on the same trunk, no smaller.
const BOUND_WEIGHT: f64 = 10.0;

/// A window to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The input row [steps * features] in raw units.
    pub row: Vec<f32>,
    /// The step that followed: one value per output, raw units.
    pub truth: Vec<f32>,
    /// Weight of each output's squared error: an inverse of the variance of the function's value.
    pub weights: Vec<f32>,
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Passes over the windows.
    pub schedule: Schedule,
    /// Share of windows in which the truth shall not exceed the bound, 0 to 1.
    pub level: f64,
}

/// Fits `net` to `train`. The network keeps the weights with the least loss on `validation`. It
/// does not correct the bound: [`super::bound::calibrate`] does.
///
/// The loss is the weighted squared error of the forecast plus the quantile loss (Koenker and
/// Bassett 1978) of the headroom, in which too little counts `level / (1 - level)` times as much as
/// too much.
///
/// # Errors
/// When there are no windows, or training diverges.
pub fn fit(
    net: &GatedNet,
    [train, validation]: [&[Example]; 2],
    options: &Options,
    monitor: &mut Monitor<'_, GatedNet>,
) -> Result<Fitted> {
    let fit = (&options.schedule, |examples: &[&Example]| loss(net, examples, options.level));
    epochs::fit(net, [train, validation], fit, monitor)
}

/// Each output of `net` as one row per example, in raw units, not clipped.
///
/// # Errors
/// When the network takes windows of another shape.
pub fn outputs(net: &dyn Network, examples: &[Example]) -> Result<Vec<Vec<Vec<f32>>>> {
    let mut outputs = vec![Vec::with_capacity(examples.len()); net.outputs().len()];
    for chunk in examples.chunks(FORWARD_BATCH) {
        let chunk: Vec<&Example> = chunk.iter().collect();
        for (rows, output) in outputs.iter_mut().zip(net.run(&inputs(net, &chunk)?)?) {
            rows.extend(output.to_vec2::<f32>()?);
        }
    }
    Ok(outputs)
}

/// Examples as [batch, steps, features].
pub(super) fn inputs(net: &dyn Network, examples: &[&Example]) -> Result<Tensor> {
    let mut shape = vec![examples.len()];
    shape.extend(net.input().shape);
    let values: Vec<f32> = examples.iter().flat_map(|e| &e.row).copied().collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// One value per output of each example, [batch, outputs].
pub(super) fn column<'e>(
    examples: &[&'e Example],
    values: impl Fn(&'e Example) -> &'e [f32],
) -> Result<Tensor> {
    let first = examples.first().context("a batch has at least one window")?;
    let shape = (examples.len(), values(first).len());
    let values: Vec<f32> = examples.iter().flat_map(|e| values(e)).copied().collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// The loss of a batch, a scalar.
fn loss(net: &GatedNet, examples: &[&Example], level: f64) -> Result<Tensor> {
    let Parts { forecast, headroom, scale } = net.parts(&inputs(net, examples)?)?;
    let truth = column(examples, |e| &e.truth)?;
    let error = (&truth - &forecast)?;
    let squared = (error.sqr()? * column(examples, |e| &e.weights)?)?.mean_all()?;
    // How far the truth is above the headroom. Detached, so that the forecast does not learn from
    // it.
    let lacking = ((error.detach() / scale)? - headroom)?;
    let quantile = ((lacking.relu()? * level)? + (lacking.neg()?.relu()? * (1.0 - level))?)?;
    Ok((squared + (quantile.mean_all()? * BOUND_WEIGHT)?)?)
}
