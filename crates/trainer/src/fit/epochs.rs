//! Passes over examples until a validation set says that it is enough.

use std::num::NonZeroUsize;

use anyhow::{Result, ensure};
use candle_core::Tensor;
use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{optimiser::Adam, watch::Watch};
use crate::nets::{Network, Parameters};

/// Gradients of an LSTM can explode over twelve steps.
const MAX_GRADIENT_NORM: f64 = 1.0;
/// Rows per batch when nothing is learnt.
pub(super) const FORWARD_BATCH: usize = 512;

/// How often and how fast to learn from the examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Seed of the order of the examples.
    pub seed: u64,
    /// Most passes over the training examples.
    pub epochs: usize,
    /// Epochs without a better validation loss before it stops.
    pub patience: usize,
    /// Examples per step.
    pub batch: NonZeroUsize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine over all
    /// epochs.
    pub learning_rate: f64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Validation loss after each epoch.
    pub validation: Vec<f64>,
    /// The epoch, from 0, whose weights the network now has.
    pub best: usize,
}

/// Fits `net` to `train` by `loss`, a scalar mean over a batch, and leaves it with the weights that did best on `validation`.
///
/// # Errors
/// When there are no examples, or training diverges.
pub(super) fn fit<N: Network, E>(
    net: &N,
    [train, validation]: [&[E]; 2],
    (schedule, loss): (&Schedule, impl Fn(&[&E]) -> Result<Tensor>),
    watch: &mut Watch<'_, N>,
) -> Result<Fitted> {
    let progress = watch.progress;
    ensure!(!train.is_empty() && !validation.is_empty(), "there are no windows to learn from");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(schedule.seed);
    let batch = schedule.batch.get();
    let batches = train.len().div_ceil(batch);
    progress.set_length((batches * schedule.epochs) as u64);
    let mut adam = Adam::new(net.parameters().vars(), schedule.learning_rate, MAX_GRADIENT_NORM)?;
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut best = Parameters::new();
    let mut fitted = Fitted { validation: Vec::new(), best: 0 };
    let mut start = 0;
    if let Some(state) = watch.resume(net)? {
        start = usize::try_from(state.step)?;
        fitted = Fitted { validation: state.list("validation")?, best: state.count("best.epoch")? };
        best = net.parameters().snapshot()?;
        state.restore_parameters("chosen", &best)?;
        adam.restore(&state)?;
        progress.set_position((batches * start) as u64);
        // The order of an epoch is that of the one before, shuffled again.
        (0..start).for_each(|_| order.shuffle(&mut rng));
    }
    for epoch in start..schedule.epochs {
        order.shuffle(&mut rng);
        for (index, chosen) in order.chunks(batch).enumerate() {
            let done = (epoch * batches + index) as f64 / (batches * schedule.epochs) as f64;
            adam.set_learning_rate(schedule.learning_rate * super::cosine_decay(done, 0.05));
            let examples: Vec<&E> = chosen.iter().map(|&i| &train[i]).collect();
            let value = adam.step(&loss(&examples)?)?;
            watch.curves.add("loss", (epoch * batches + index) as f64, value);
            progress.inc(1);
        }
        let value = mean(validation, &loss)?;
        if fitted.validation.iter().all(|&earlier| value < earlier) {
            best = net.parameters().snapshot()?;
            fitted.best = epoch;
        }
        fitted.validation.push(value);
        watch.curves.add("loss on validation", ((epoch + 1) * batches) as f64, value);
        progress.set_message(format!("validation loss {value:.4}"));
        if epoch - fitted.best >= schedule.patience || epoch + 1 == schedule.epochs {
            break;
        }
        watch.save(net, epoch + 1, |state| {
            state.put_list("validation", &fitted.validation)?;
            state.numbers.insert("best.epoch".to_owned(), fitted.best as f64);
            state.put_parameters("chosen", &best)?;
            adam.save(state)
        })?;
    }
    net.parameters().copy_from(&best)?;
    progress.finish_and_clear();
    Ok(fitted)
}

fn mean<E>(examples: &[E], loss: &impl Fn(&[&E]) -> Result<Tensor>) -> Result<f64> {
    let mut sum = 0.0;
    for chunk in examples.chunks(FORWARD_BATCH) {
        let chunk: Vec<&E> = chunk.iter().collect();
        sum += f64::from(loss(&chunk)?.to_scalar::<f32>()?) * chunk.len() as f64;
    }
    Ok(sum / examples.len() as f64)
}
