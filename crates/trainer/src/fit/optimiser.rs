//! Adam with gradients cut to a greatest norm.

use anyhow::{Result, ensure};
use candle_core::{Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};

/// Adam (no weight decay) over some variables.
#[derive(Debug)]
pub(super) struct Adam {
    inner: AdamW,
    vars: Vec<Var>,
    max_norm: f64,
}

impl Adam {
    /// Updates `vars`; a gradient whose norm over all of them passes `max_norm` is shortened to it.
    pub(super) fn new(vars: Vec<Var>, learning_rate: f64, max_norm: f64) -> Result<Self> {
        let settings = ParamsAdamW {
            lr: learning_rate,
            weight_decay: 0.0,
            // Small batches late in training have tiny second moments; 1e-8 then makes steps jump.
            eps: 1e-6,
            ..ParamsAdamW::default()
        };
        Ok(Self { inner: AdamW::new(vars.clone(), settings)?, vars, max_norm })
    }

    pub(super) fn set_learning_rate(&mut self, learning_rate: f64) {
        self.inner.set_learning_rate(learning_rate);
    }

    /// One step down the gradient of `loss`, a scalar; returns its value.
    pub(super) fn step(&mut self, loss: &Tensor) -> Result<f64> {
        let value = f64::from(loss.to_scalar::<f32>()?);
        ensure!(value.is_finite(), "the loss is {value}: lower the learning rate");
        let mut gradients = loss.backward()?;
        let mut squares = 0.0;
        for var in &self.vars {
            if let Some(gradient) = gradients.get(var) {
                squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
            }
        }
        let norm = squares.sqrt();
        if norm > self.max_norm {
            for var in &self.vars {
                if let Some(gradient) = gradients.get(var) {
                    let shortened = (gradient * (self.max_norm / norm))?;
                    gradients.insert(var, shortened);
                }
            }
        }
        self.inner.step(&gradients)?;
        Ok(value)
    }
}
