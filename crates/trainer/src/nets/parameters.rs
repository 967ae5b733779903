//! Trainable tensors by their checkpoint names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor, Var};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Named trainable f32 tensors on the CPU, ordered by name: whatever iterates over them (optimiser,
/// export, comparison) uses the same order on every run.
#[derive(Debug, Default)]
pub struct Parameters {
    tensors: BTreeMap<String, Var>,
}

impl Parameters {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor with the given row-major `values`.
    ///
    /// # Errors
    /// When the name is taken, or the number of values is not that of `shape`.
    pub fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> Result<()> {
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)
            .with_context(|| format!("parameter {name} does not fill its shape {shape:?}"))?;
        let taken = self.tensors.insert(name.to_owned(), Var::from_tensor(&tensor)?);
        ensure!(taken.is_none(), "parameter {name} is given twice");
        Ok(())
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// When there is none. The message names it, for checkpoints of another architecture.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        let var = self.tensors.get(name).with_context(|| format!("parameter {name} is missing"))?;
        Ok(var.as_tensor())
    }

    /// The shape of the tensor called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(self.get(name)?.dims().to_vec())
    }

    /// The row-major values of the tensor called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        Ok(self.get(name)?.flatten_all()?.to_vec1()?)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// All variables in the order of their names, for an optimiser.
    pub fn vars(&self) -> Vec<Var> {
        self.tensors.values().cloned().collect()
    }

    /// Overwrites every tensor with the one of the same name in `other`.
    ///
    /// # Errors
    /// When `other` lacks a name or has another shape.
    pub fn copy_from(&self, other: &Self) -> Result<()> {
        for (name, var) in &self.tensors {
            var.set(other.get(name)?).with_context(|| format!("cannot copy parameter {name}"))?;
        }
        Ok(())
    }

    /// Multiplies the tensor called `name` by `factor`.
    ///
    /// # Errors
    /// When there is none.
    pub fn scale(&mut self, name: &str, factor: f64) -> Result<()> {
        let var = self.tensors.get(name).with_context(|| format!("parameter {name} is missing"))?;
        Ok(var.set(&(var.as_tensor() * factor)?)?)
    }

    /// A copy that further training does not change.
    ///
    /// # Errors
    /// When memory cannot be allocated.
    pub fn snapshot(&self) -> Result<Self> {
        let mut copy = Self::new();
        for (name, var) in &self.tensors {
            copy.insert(name, var.dims(), self.values(name)?)?;
        }
        Ok(copy)
    }

    /// The number of trainable scalars.
    pub fn count(&self) -> usize {
        self.tensors.values().map(|var| var.elem_count()).sum()
    }
}

/// Draws initial weights as PyTorch does by default: uniform in +-1/sqrt(fan in).
///
/// candle cannot seed its own CPU generator, so the draws come from here.
#[derive(Debug)]
pub struct Initialiser<'a> {
    rng: &'a mut Xoshiro256PlusPlus,
}

impl<'a> Initialiser<'a> {
    /// Draws from `rng`.
    pub fn new(rng: &'a mut Xoshiro256PlusPlus) -> Self {
        Self { rng }
    }

    /// `count` values uniform in [-bound, bound) with bound = 1/sqrt(`fan_in`).
    pub fn uniform(&mut self, count: usize, fan_in: usize) -> Vec<f32> {
        let bound = 1.0 / (fan_in as f32).sqrt();
        (0..count).map(|_| self.rng.random_range(-bound..bound)).collect()
    }
}
