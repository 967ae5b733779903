//! Fits the strategic network: double deep Q-learning (van Hasselt, Guez and Silver, "Deep
//! Reinforcement Learning with Double Q-learning", AAAI 2016).

use anyhow::{Context, Result};
use candle_core::{D, Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::environment::{Environment, Observation};
use super::optimiser::Adam;
use super::replay::{Replay, Transition};
use super::watch::Watch;
use crate::nets::{Network, StrategicNet};

const MAX_GRADIENT_NORM: f64 = 10.0;
/// Added to the Q-value of an action that may not be taken: far below any reward.
const FORBIDDEN: f32 = -1e4;
/// Where the Huber loss turns from square to straight.
const HUBER_DELTA: f64 = 5.0;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Seed of exploration and of replay.
    pub seed: u64,
    /// Decisions taken.
    pub decisions: usize,
    /// Decisions per gradient step.
    pub train_every: usize,
    /// Transitions per gradient step.
    pub batch: usize,
    /// Transitions remembered.
    pub replay: usize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine.
    pub learning_rate: f64,
    /// How much the next decision's value counts.
    pub gamma: f64,
    /// Gradient steps between two copies of the network to its target.
    pub target_every: usize,
    /// Part of the decisions over which exploration falls from 1 to [`Self::epsilon`].
    pub explore: f64,
    /// Share of random decisions after that.
    pub epsilon: f64,
}

/// Fits `net`; `target` must be a network of the same shape and is overwritten. Returns the mean
/// loss over the last tenth of the gradient steps.
///
/// # Errors
/// When the environment fails or training diverges.
pub fn fit(
    [net, target]: [&StrategicNet; 2],
    environment: &mut dyn Environment,
    options: &Options,
    watch: &mut Watch<'_, StrategicNet>,
) -> Result<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(options.seed);
    let mut replay = Replay::new(options.replay);
    let mut adam = Adam::new(net.parameters().vars(), options.learning_rate, MAX_GRADIENT_NORM)?;
    target.parameters().copy_from(net.parameters())?;
    watch.progress.set_length(options.decisions as u64);
    let mut observation = environment.reset()?;
    let (mut steps, mut recent, mut counted) = (0, 0.0, 0);
    for decision in 0..options.decisions {
        let done = decision as f64 / options.decisions as f64;
        watch.look(net, done)?;
        let action = if rng.random_bool(epsilon(options, done)) {
            random_action(&observation, &mut rng)?
        } else {
            best_action(net, &observation)?
        };
        let outcome = environment.step(action)?;
        watch.curves.add("reward", decision as f64, f64::from(outcome.reward));
        replay.push(Transition {
            state: observation.state,
            action: u32::try_from(action)?,
            reward: outcome.reward,
            next: outcome.next.clone(),
        });
        observation = match outcome.next {
            Some(next) => next,
            None => environment.reset()?,
        };
        if replay.len() >= options.batch && decision % options.train_every.max(1) == 0 {
            adam.set_learning_rate(options.learning_rate * super::cosine_decay(done, 0.05));
            let batch = replay.sample(options.batch, &mut rng);
            let loss = adam.step(&loss([net, target], &batch, options.gamma)?)?;
            steps += 1;
            if steps % options.target_every.max(1) == 0 {
                target.parameters().copy_from(net.parameters())?;
            }
            watch.curves.add("loss", decision as f64, loss);
            if done >= 0.9 {
                (recent, counted) = (recent + loss, counted + 1);
            }
        }
        watch.progress.inc(1);
    }
    watch.finish(net)?;
    Ok(recent / f64::from(counted.max(1)))
}

fn epsilon(options: &Options, done: f64) -> f64 {
    let share = (done / options.explore.max(f64::MIN_POSITIVE)).min(1.0);
    (1.0 + share * (options.epsilon - 1.0)).clamp(0.0, 1.0)
}

fn random_action(observation: &Observation, rng: &mut Xoshiro256PlusPlus) -> Result<usize> {
    let allowed: Vec<usize> = (0..32).filter(|&action| observation.allows(action)).collect();
    let index = rng.random_range(0..allowed.len().max(1));
    allowed.get(index).copied().context("an observation allows no action")
}

fn best_action(net: &StrategicNet, observation: &Observation) -> Result<usize> {
    let q_values = net.q_values(&states([observation.state.as_slice()])?)?;
    let q_values: Vec<f32> = q_values.squeeze(0)?.to_vec1()?;
    (0..q_values.len())
        .filter(|&action| observation.allows(action))
        .max_by(|&a, &b| q_values[a].total_cmp(&q_values[b]))
        .context("an observation allows no action")
}

/// Huber loss between the Q-value of the action taken and reward + gamma * (target's value of the
/// net's next choice).
fn loss([net, target]: [&StrategicNet; 2], batch: &[&Transition], gamma: f64) -> Result<Tensor> {
    let rows = batch.len();
    let current = net.q_values(&states(batch.iter().map(|t| t.state.as_slice()))?)?;
    let actions =
        Tensor::from_vec(batch.iter().map(|t| t.action).collect(), (rows, 1), &Device::Cpu)?;
    let current = current.gather(&actions, 1)?.squeeze(1)?;

    // An episode that ended repeats its last state here and is multiplied by zero below.
    let next =
        states(batch.iter().map(|t| t.next.as_ref().map_or(t.state.as_slice(), |n| &n.state)))?;
    let goes_on: Vec<f32> = batch.iter().map(|t| f32::from(u8::from(t.next.is_some()))).collect();
    let choice =
        (net.q_values(&next)? + barred(batch, net.actions())?)?.argmax_keepdim(D::Minus1)?;
    let value = target.q_values(&next)?.gather(&choice, 1)?.squeeze(1)?;
    let rewards = Tensor::from_vec(batch.iter().map(|t| t.reward).collect(), rows, &Device::Cpu)?;
    let goal = (rewards + (value * Tensor::from_vec(goes_on, rows, &Device::Cpu)?)? * gamma)?;
    Ok(candle_nn::loss::huber(&current, &goal.detach(), HUBER_DELTA)?)
}

/// [batch, actions]: zero where the next observation allows the action, far below elsewhere.
fn barred(batch: &[&Transition], actions: usize) -> Result<Tensor> {
    let values: Vec<f32> = batch
        .iter()
        .flat_map(|t| {
            (0..actions).map(|action| match &t.next {
                Some(next) if !next.allows(action) => FORBIDDEN,
                _ => 0.0,
            })
        })
        .collect();
    Ok(Tensor::from_vec(values, (batch.len(), actions), &Device::Cpu)?)
}

/// Rows as [batch, features].
fn states<'a>(rows: impl IntoIterator<Item = &'a [f32]>) -> Result<Tensor> {
    let rows: Vec<&[f32]> = rows.into_iter().collect();
    let width = rows.first().map_or(0, |row| row.len());
    Ok(Tensor::from_vec(rows.concat(), (rows.len(), width), &Device::Cpu)?)
}
