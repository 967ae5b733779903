//! The constants in the bound of the operational network of version 2: how often it holds, and how much of it is for nothing.

use anyhow::{Result, ensure};

use super::epochs::FORWARD_BATCH;
use super::gated::{Example, column, inputs};
use crate::nets::{GatedNet, Parts};

/// A constant that leaves no headroom anywhere.
const NOTHING: f32 = -1e3;
/// Halvings of the way between two constants.
const HALVINGS: usize = 30;

/// What the constants are made of: windows that the network was not fitted to.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'e> {
    /// Windows with a call in them.
    pub busy: &'e [Example],
    /// All windows, idle ones included.
    pub all: &'e [Example],
    /// Share of windows whose truth the bound is not to be below, 0 to 1.
    pub level: f64,
    /// By how much the bound of each output may be above the truth, in the mean over those of `all` where it is not below it, raw units.
    pub most_over: &'e [f64],
}

/// Sets the constants of the bound of `net`.
///
/// Each output gets the constant with which its bound holds on a share [`Calibration::level`] of the busy windows: there is something to do
/// in those. Where that would be above the truth by more than [`Calibration::most_over`], the constant is as great as that allows, but
/// never so small that the bound would not hold on that share of all windows.
///
/// # Errors
/// When there are no windows, or they do not fit the network.
pub fn calibrate(net: &mut GatedNet, calibration: Calibration<'_>) -> Result<()> {
    let Calibration { busy, all, level, most_over } = calibration;
    let (busy, all) = (Outcomes::of(net, busy)?, Outcomes::of(net, all)?);
    ensure!(busy.0.len() == most_over.len(), "every output needs a limit");
    let constants = busy.0.iter().zip(&all.0).zip(most_over).map(|((busy, all), most)| {
        let (mut least, mut greatest) = (constant(all, level), constant(busy, level));
        if over(all, greatest) <= *most || greatest <= least {
            return greatest.max(least);
        }
        for _ in 0..HALVINGS {
            let middle = f32::midpoint(least, greatest);
            if over(all, middle) <= *most { least = middle } else { greatest = middle }
        }
        least
    });
    net.set_conformal(constants.collect())
}

/// What came of one output in one window.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    /// The truth less the forecast, raw units.
    error: f32,
    /// Headroom without the constant, in multiples of the scale.
    headroom: f32,
    /// Raw units, above zero.
    scale: f32,
}

/// Of each output, those of every window.
struct Outcomes(Vec<Vec<Outcome>>);

impl Outcomes {
    fn of(net: &GatedNet, examples: &[Example]) -> Result<Self> {
        ensure!(!examples.is_empty(), "there are no windows to calibrate the bound with");
        let mut outputs = vec![Vec::with_capacity(examples.len()); net.conformal().len()];
        for chunk in examples.chunks(FORWARD_BATCH) {
            let chunk: Vec<&Example> = chunk.iter().collect();
            let Parts { forecast, headroom, scale } = net.parts(&inputs(net, &chunk)?)?;
            let error = (column(&chunk, |e| &e.truth)? - forecast)?.to_vec2::<f32>()?;
            let (headroom, scale) = (headroom.to_vec2::<f32>()?, scale.to_vec2::<f32>()?);
            for ((error, headroom), scale) in error.into_iter().zip(headroom).zip(scale) {
                let row = error.into_iter().zip(headroom).zip(scale);
                for (output, ((error, headroom), scale)) in outputs.iter_mut().zip(row) {
                    output.push(Outcome { error, headroom, scale });
                }
            }
        }
        Ok(Self(outputs))
    }
}

/// The constant that, added to the headroom, makes the bound hold on a share `level` of the windows at least: the ceil((n + 1) level)-th
/// smallest of what the headroom lacks. Where the truth is not above the forecast nothing is lacking, whatever the headroom: the bound
/// is never below the forecast.
fn constant(outcomes: &[Outcome], level: f64) -> f32 {
    let lacks = outcomes.iter().map(|outcome| {
        let lack = outcome.error / outcome.scale - outcome.headroom;
        if outcome.error > 0.0 { lack } else { NOTHING }
    });
    let mut lacks: Vec<f32> = lacks.collect();
    lacks.sort_unstable_by(f32::total_cmp);
    let rank = ((lacks.len() + 1) as f64 * level).ceil() as usize;
    lacks[rank.clamp(1, lacks.len()) - 1]
}

/// By how much the bound is above the truth with this constant, in the mean over the windows where it is not below it.
fn over(outcomes: &[Outcome], constant: f32) -> f64 {
    let above = outcomes.iter().map(|outcome| {
        f64::from((outcome.headroom + constant).max(0.0) * outcome.scale - outcome.error)
    });
    let (count, sum) = above
        .filter(|above| *above >= 0.0)
        .fold((0.0, 0.0), |(count, sum), above| (count + 1.0, sum + above));
    if count > 0.0 { sum / count } else { 0.0 }
}
