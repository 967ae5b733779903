//! Fits the operational network of version 2: what comes next on average, and what it will hardly exceed.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};

use super::{
    epochs::{self, FORWARD_BATCH, Fitted, Schedule},
    watch::Watch,
};
use crate::nets::{GatedNet, Network, Parts};

/// Weight of the bound's loss beside the forecast's: it is then three tenths of the whole. With a fiftieth of that weight the quantile loss on validation was a
/// third larger, and the error of the forecast, on the same trunk, no smaller.
const BOUND_WEIGHT: f64 = 10.0;

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
    /// Passes over the windows.
    pub schedule: Schedule,
    /// Share of windows whose truth the bound is not to be below, 0 to 1.
    pub level: f64,
}

/// Fits `net` to `train` and leaves it with the weights that did best on `validation`. The constants of its bound are still to be set:
/// [`super::bound::calibrate`].
///
/// The loss is the weighted squared error of the forecast plus the quantile loss (Koenker and Bassett 1978) of the headroom, which
/// counts too little `level / (1 - level)` times as much as too much.
///
/// # Errors
/// When there are no windows, or training diverges.
pub fn fit(
    net: &GatedNet,
    [train, validation]: [&[Example]; 2],
    options: &Options,
    watch: &mut Watch<'_, GatedNet>,
) -> Result<Fitted> {
    let fit = (&options.schedule, |examples: &[&Example]| loss(net, examples, options.level));
    epochs::fit(net, [train, validation], fit, watch)
}

/// Each output of `net` for each example, in raw units, not clipped.
///
/// # Errors
/// When the network takes other windows.
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
