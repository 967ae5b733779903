//! Adam (Kingma and Ba, ICLR 2015) with gradients clipped to a greatest norm.
//!
//! The arithmetic is that of `candle_nn`'s AdamW without weight decay. That optimiser is not used
//! because its moments cannot be read or set, and a checkpoint needs both.

use anyhow::{Result, ensure};
use candle_core::{Tensor, Var, backprop::GradStore};

use super::state::FitState;

/// Decay of the first moment.
const BETA_1: f64 = 0.9;
/// Decay of the second moment.
const BETA_2: f64 = 0.999;
/// Small batches late in training have tiny second moments, with which the usual 1e-8 gives steps
/// that are too large.
const EPSILON: f64 = 1e-6;

/// Part of the first learning rate that is left at the end of a fit.
pub(super) const LAST_RATE: f64 = 0.05;

/// A factor that falls from 1 to `last` along a half cosine while `done` goes from 0 to 1.
pub(super) fn cosine_decay(done: f64, last: f64) -> f64 {
    last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos())
}

/// Adam without weight decay.
#[derive(Debug)]
pub(super) struct Adam {
    moments: Vec<Moments>,
    steps: usize,
    learning_rate: f64,
    max_norm: f64,
}

#[derive(Debug)]
struct Moments {
    var: Var,
    first: Var,
    second: Var,
}

impl Adam {
    /// Updates `vars`. A gradient whose norm over all of them exceeds `max_norm` is clipped to it.
    pub(super) fn new(vars: Vec<Var>, learning_rate: f64, max_norm: f64) -> Result<Self> {
        let zeros = |var: &Var| Var::zeros(var.shape(), var.dtype(), var.device());
        let moments = vars.into_iter().map(|var| {
            let (first, second) = (zeros(&var)?, zeros(&var)?);
            Ok(Moments { var, first, second })
        });
        Ok(Self { moments: moments.collect::<Result<_>>()?, steps: 0, learning_rate, max_norm })
    }

    pub(super) fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    /// Takes one step down the gradient of `loss`, a scalar, and returns its value.
    pub(super) fn step(&mut self, loss: &Tensor) -> Result<f64> {
        let value = f64::from(loss.to_scalar::<f32>()?);
        ensure!(value.is_finite(), "the loss is {value}: lower the learning rate");
        let mut gradients = loss.backward()?;
        let mut squares = 0.0;
        for Moments { var, .. } in &self.moments {
            if let Some(gradient) = gradients.get(var) {
                squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
            }
        }
        let norm = squares.sqrt();
        if norm > self.max_norm {
            for Moments { var, .. } in &self.moments {
                if let Some(gradient) = gradients.get(var) {
                    let clipped = (gradient * (self.max_norm / norm))?;
                    gradients.insert(var, clipped);
                }
            }
        }
        self.descend(&gradients)?;
        Ok(value)
    }

    fn descend(&mut self, gradients: &GradStore) -> Result<()> {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (scale_1, scale_2) =
            (1.0 / (1.0 - BETA_1.powi(steps)), 1.0 / (1.0 - BETA_2.powi(steps)));
        for Moments { var, first, second } in &self.moments {
            let Some(gradient) = gradients.get(var) else { continue };
            let next_1 = ((first.as_tensor() * BETA_1)? + (gradient * (1.0 - BETA_1))?)?;
            let next_2 = ((second.as_tensor() * BETA_2)? + (gradient.sqr()? * (1.0 - BETA_2))?)?;
            let change = ((&next_1 * scale_1)? / ((&next_2 * scale_2)?.sqrt()? + EPSILON)?)?;
            let next = (var.as_tensor() - (change * self.learning_rate)?)?;
            first.set(&next_1)?;
            second.set(&next_2)?;
            var.set(&next)?;
        }
        Ok(())
    }

    pub(super) fn save(&self, state: &mut FitState) -> Result<()> {
        state.numbers.insert("adam.steps".to_owned(), self.steps as f64);
        for (index, Moments { first, second, .. }) in self.moments.iter().enumerate() {
            // Copies, because training changes the variables.
            state.put(&format!("adam.first.{index}"), first.copy()?);
            state.put(&format!("adam.second.{index}"), second.copy()?);
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, state: &FitState) -> Result<()> {
        self.steps = state.count("adam.steps")?;
        for (index, Moments { first, second, .. }) in self.moments.iter().enumerate() {
            for (name, var) in [("first", first), ("second", second)] {
                let kept = state.tensor(&format!("adam.{name}.{index}"))?;
                ensure!(kept.dtype() == var.dtype(), "a moment of the checkpoint is not f32");
                var.set(kept)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use candle_core::Device;
    use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};

    use super::*;

    #[test]
    fn steps_are_those_of_candle_to_the_bit() {
        let start = [0.3f32, -1.2, 4.5];
        let fresh = || Var::from_tensor(&Tensor::new(&start, &Device::Cpu).unwrap()).unwrap();
        let loss = |var: &Var| var.sqr().unwrap().sqr().unwrap().sum_all().unwrap();
        let (own, other) = (fresh(), fresh());
        let mut adam = Adam::new(vec![own.clone()], 0.01, 1e9).unwrap();
        let settings =
            ParamsAdamW { lr: 0.01, weight_decay: 0.0, eps: EPSILON, ..ParamsAdamW::default() };
        let mut candle = AdamW::new(vec![other.clone()], settings).unwrap();
        for _ in 0..50 {
            adam.step(&loss(&own)).unwrap();
            candle.backward_step(&loss(&other)).unwrap();
        }
        assert_eq!(own.to_vec1::<f32>().unwrap(), other.to_vec1::<f32>().unwrap());
        assert_ne!(own.to_vec1::<f32>().unwrap(), start);
    }
}
