//! The state from which a fit resumes after an interruption.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::nets::Parameters;

/// Named numbers, generators and tensors at one step of a fit.
#[derive(Debug, Clone, Default)]
pub struct FitState {
    /// Completed steps: decisions, rounds or epochs.
    pub step: u64,
    /// Single numbers.
    pub numbers: BTreeMap<String, f64>,
    /// Random number generators.
    pub generators: BTreeMap<String, Xoshiro256PlusPlus>,
    /// Weights, moments of the optimiser, replay memory.
    pub tensors: HashMap<String, Tensor>,
}

impl FitState {
    /// The number called `name`.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        self.numbers.get(name).copied().with_context(|| missing(name))
    }

    /// The number called `name`, which must be a count.
    pub(super) fn count(&self, name: &str) -> Result<usize> {
        let number = self.number(name)?;
        let whole = number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX);
        ensure!(whole, "`{name}` of the checkpoint is {number}, not a count");
        Ok(number as usize)
    }

    pub(super) fn put_generator(&mut self, name: &str, generator: &Xoshiro256PlusPlus) {
        self.generators.insert(name.to_owned(), generator.clone());
    }

    pub(super) fn generator(&self, name: &str) -> Result<Xoshiro256PlusPlus> {
        self.generators.get(name).cloned().with_context(|| missing(name))
    }

    pub(super) fn put(&mut self, name: &str, tensor: Tensor) {
        self.tensors.insert(name.to_owned(), tensor);
    }

    pub(super) fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).with_context(|| missing(name))
    }

    /// Adds numbers in double precision.
    pub(super) fn put_list(&mut self, name: &str, list: &[f64]) -> Result<()> {
        // A tensor needs an element.
        let padded: Vec<f64> = list.iter().copied().chain([0.0]).collect();
        let count = padded.len();
        self.put(name, Tensor::from_vec(padded, count, &Device::Cpu)?);
        Ok(())
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<f64>> {
        let mut list: Vec<f64> = self.tensor(name)?.to_vec1()?;
        list.pop();
        Ok(list)
    }

    /// All lists whose names begin with `prefix`, by the rest of their names.
    pub(super) fn lists(&self, prefix: &str) -> Result<BTreeMap<String, Vec<f64>>> {
        let names = self.tensors.keys().filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
        names.map(|(name, short)| Ok((short.to_owned(), self.list(name)?))).collect()
    }

    pub(super) fn put_parameters(&mut self, prefix: &str, parameters: &Parameters) -> Result<()> {
        for name in parameters.names() {
            // A copy, because training changes the variable.
            self.put(&format!("{prefix}.{name}"), parameters.get(name)?.copy()?);
        }
        Ok(())
    }

    /// Overwrites `parameters` with those that were put under `prefix`.
    pub(super) fn restore_parameters(&self, prefix: &str, parameters: &Parameters) -> Result<()> {
        let mut kept = Parameters::new();
        for name in parameters.names() {
            let full = format!("{prefix}.{name}");
            let tensor = self.tensor(&full)?;
            ensure!(tensor.dtype() == DType::F32, "`{full}` of the checkpoint is not f32");
            kept.insert(name, tensor.dims(), tensor.flatten_all()?.to_vec1()?)?;
        }
        parameters.copy_from(&kept)
    }
}

fn missing(name: &str) -> String {
    format!("the checkpoint holds no `{name}`: it was written by another version of the trainer")
}
