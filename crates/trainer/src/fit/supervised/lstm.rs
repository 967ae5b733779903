//! Fits the operational network of version 1: the next step, by an asymmetric squared error.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use strata_simulator::Window;

use super::epochs::{self, FORWARD_BATCH, Fitted, Schedule};
use crate::{fit::monitor::Monitor, nets::OperationalNet};

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Passes over the windows.
    pub schedule: Schedule,
    /// Weight of a squared error below the truth; above it counts 1.
    pub below: f64,
}

/// Fits `net` to the training `windows`, the first of the two. The network keeps the weights with
/// the least loss on the second, the validation windows.
///
/// The loss of an output is its squared error on the scale of the network, divided by the output's
/// variance over the training windows so that all outputs count alike, and multiplied by
/// [`Options::below`] where the forecast is too low.
///
/// # Errors
/// When there are no windows, or training diverges.
pub fn fit(
    net: &OperationalNet,
    windows: [&[Window]; 2],
    options: &Options,
    monitor: &mut Monitor<'_, OperationalNet>,
) -> Result<Fitted> {
    let [train, validation] = windows;
    let loss = Loss::new(net, train, options.below)?;
    let fit = (&options.schedule, |windows: &[&Window]| loss.of(net, windows));
    epochs::fit(net, [train, validation], fit, monitor)
}

/// The forecasts of `windows` in raw units, one row each.
///
/// # Errors
/// When the network takes windows of another shape.
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

/// The asymmetric squared error; outputs are weighted by the inverse of their variance.
struct Loss {
    below: f64,
    /// Weight of each output [outputs].
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
                // An output that never varies teaches nothing, and its variance cannot divide.
                if variance > 0.0 { (1.0 / variance) as f32 } else { 0.0 }
            })
            .collect();
        Ok(Self { below, weights: Tensor::from_vec(weights, outputs, &Device::Cpu)? })
    }

    /// The loss of a batch, a scalar.
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
}
