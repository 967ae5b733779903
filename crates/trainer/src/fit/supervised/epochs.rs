//! Passes over examples until the validation loss stops falling.

use std::num::NonZeroUsize;

use anyhow::{Result, ensure};
use candle_core::Tensor;
use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{
    fit::{
        adam::{Adam, LAST_RATE, cosine_decay},
        monitor::Monitor,
        state::FitState,
    },
    nets::{Network, Parameters},
};

/// Gradients of an LSTM can explode over twelve steps.
const MAX_GRADIENT_NORM: f64 = 1.0;
/// Rows per batch of a forward pass without gradients.
pub(super) const FORWARD_BATCH: usize = 512;

/// How long and how fast to learn from the examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Seed of the order of the examples.
    pub seed: u64,
    /// Most passes over the training examples.
    pub epochs: usize,
    /// Epochs without a better validation loss before the fit stops.
    pub patience: usize,
    /// Examples per step.
    pub batch: NonZeroUsize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine over all
    /// epochs.
    pub learning_rate: f64,
}

/// The result of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Validation loss after each epoch.
    pub validation: Vec<f64>,
    /// The epoch, from 0, whose weights the network has now.
    pub best: usize,
}

/// Fits `net` to `train` by `loss`, a scalar mean over a batch. The network keeps the weights with
/// the least loss on `validation`.
///
/// # Errors
/// When there are no examples, or training diverges.
pub(super) fn fit<N: Network, E>(
    net: &N,
    [train, validation]: [&[E]; 2],
    (schedule, loss): (&Schedule, impl Fn(&[&E]) -> Result<Tensor>),
    monitor: &mut Monitor<'_, N>,
) -> Result<Fitted> {
    ensure!(!train.is_empty() && !validation.is_empty(), "there are no windows to learn from");
    let progress = monitor.progress;
    let mut learner = Learner::new(net, train, schedule)?;
    progress.set_length((learner.batches() * schedule.epochs) as u64);
    let mut start = 0;
    if let Some(state) = monitor.resume(net)? {
        start = usize::try_from(state.step)?;
        learner.restore(&state)?;
        progress.set_position((learner.batches() * start) as u64);
    }
    for epoch in start..schedule.epochs {
        learner.learn(epoch, &loss, monitor)?;
        learner.validate(epoch, mean(validation, &loss)?, monitor)?;
        if learner.is_over(epoch) {
            break;
        }
        monitor.save(net, epoch + 1, |state| learner.save(state))?;
    }
    net.parameters().copy_from(&learner.best)?;
    progress.finish_and_clear();
    Ok(learner.fitted)
}

/// Everything that changes while a network is fitted.
struct Learner<'a, N, E> {
    net: &'a N,
    examples: &'a [E],
    schedule: &'a Schedule,
    rng: Xoshiro256PlusPlus,
    /// The order of the examples: that of the previous epoch, shuffled again.
    order: Vec<usize>,
    adam: Adam,
    /// The weights with the least validation loss.
    best: Parameters,
    fitted: Fitted,
}

impl<'a, N: Network, E> Learner<'a, N, E> {
    fn new(net: &'a N, examples: &'a [E], schedule: &'a Schedule) -> Result<Self> {
        Ok(Self {
            net,
            examples,
            schedule,
            rng: Xoshiro256PlusPlus::seed_from_u64(schedule.seed),
            order: (0..examples.len()).collect(),
            adam: Adam::new(net.parameters().vars(), schedule.learning_rate, MAX_GRADIENT_NORM)?,
            best: Parameters::new(),
            fitted: Fitted { validation: Vec::new(), best: 0 },
        })
    }

    /// Batches of an epoch.
    fn batches(&self) -> usize {
        self.examples.len().div_ceil(self.schedule.batch.get())
    }

    /// Passes over the examples once.
    fn learn(
        &mut self,
        epoch: usize,
        loss: &impl Fn(&[&E]) -> Result<Tensor>,
        monitor: &mut Monitor<'_, N>,
    ) -> Result<()> {
        let batches = self.batches();
        let Schedule { epochs, batch, learning_rate, .. } = *self.schedule;
        self.order.shuffle(&mut self.rng);
        for (index, chosen) in self.order.chunks(batch.get()).enumerate() {
            let step = epoch * batches + index;
            let done = step as f64 / (batches * epochs) as f64;
            self.adam.set_learning_rate(learning_rate * cosine_decay(done, LAST_RATE));
            let examples: Vec<&E> = chosen.iter().map(|&i| &self.examples[i]).collect();
            let value = self.adam.step(&loss(&examples)?)?;
            monitor.curves.add("loss", step as f64, value);
            monitor.progress.inc(1);
        }
        Ok(())
    }

    /// Takes in the validation loss `value` after an epoch.
    fn validate(&mut self, epoch: usize, value: f64, monitor: &mut Monitor<'_, N>) -> Result<()> {
        if self.fitted.validation.iter().all(|&earlier| value < earlier) {
            self.best = self.net.parameters().snapshot()?;
            self.fitted.best = epoch;
        }
        self.fitted.validation.push(value);
        let step = (epoch + 1) * self.batches();
        monitor.curves.add("loss on validation", step as f64, value);
        monitor.progress.set_message(format!("validation loss {value:.4}"));
        Ok(())
    }

    /// Whether the fit ends after `epoch`.
    fn is_over(&self, epoch: usize) -> bool {
        let Schedule { epochs, patience, .. } = *self.schedule;
        epoch - self.fitted.best >= patience || epoch + 1 == epochs
    }

    fn save(&self, state: &mut FitState) -> Result<()> {
        state.put_list("validation", &self.fitted.validation)?;
        state.numbers.insert("best.epoch".to_owned(), self.fitted.best as f64);
        state.put_parameters("chosen", &self.best)?;
        self.adam.save(state)
    }

    /// Restores what [`Self::save`] saved after `state.step` epochs.
    fn restore(&mut self, state: &FitState) -> Result<()> {
        self.fitted =
            Fitted { validation: state.list("validation")?, best: state.count("best.epoch")? };
        self.best = self.net.parameters().snapshot()?;
        state.restore_parameters("chosen", &self.best)?;
        self.adam.restore(state)?;
        for _ in 0..state.step {
            self.order.shuffle(&mut self.rng);
        }
        Ok(())
    }
}

/// The mean of `loss` over `examples`.
fn mean<E>(examples: &[E], loss: &impl Fn(&[&E]) -> Result<Tensor>) -> Result<f64> {
    let mut sum = 0.0;
    for chunk in examples.chunks(FORWARD_BATCH) {
        let chunk: Vec<&E> = chunk.iter().collect();
        sum += f64::from(loss(&chunk)?.to_scalar::<f32>()?) * chunk.len() as f64;
    }
    Ok(sum / examples.len() as f64)
}
