//! Fits the strategic network: double deep Q-learning (van Hasselt, Guez and Silver, "Deep
//! Reinforcement Learning with Double Q-learning", AAAI 2016).

use anyhow::{Context, Result};
use candle_core::{D, Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    batch::{barred, states},
    environment::{Environment, Observation},
    episode::Episode,
    recent::RecentMean,
    replay::{Replay, Transition},
};
use crate::{
    fit::{
        adam::{Adam, LAST_RATE, cosine_decay},
        monitor::Monitor,
        state::FitState,
    },
    nets::{Network, StrategicNet},
};

const MAX_GRADIENT_NORM: f64 = 10.0;
/// Where the Huber loss turns from quadratic to linear.
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
    /// Discount of the next decision's value.
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
    monitor: &mut Monitor<'_, StrategicNet>,
) -> Result<f64> {
    let adam = Adam::new(net.parameters().vars(), options.learning_rate, MAX_GRADIENT_NORM)?;
    target.parameters().copy_from(net.parameters())?;
    monitor.progress.set_length(options.decisions as u64);
    let mut learner = Learner {
        nets: [net, target],
        options,
        episode: Episode::begin(environment)?,
        rng: Xoshiro256PlusPlus::seed_from_u64(options.seed),
        replay: Replay::new(options.replay),
        adam,
        steps: 0,
        recent: RecentMean::default(),
    };
    let mut start = 0;
    if let Some(state) = monitor.resume(net)? {
        start = usize::try_from(state.step)?;
        learner.restore(&state)?;
    }
    for decision in start..options.decisions {
        let done = decision as f64 / options.decisions as f64;
        if monitor.validate_if_due(net, done)? && decision > start {
            monitor.save(net, decision, |state| learner.save(state))?;
        }
        monitor.curves.add("reward", decision as f64, f64::from(learner.decide(done)?));
        if learner.replay.len() >= options.batch && decision % options.train_every.max(1) == 0 {
            monitor.curves.add("loss", decision as f64, learner.learn(done)?);
        }
        monitor.progress.inc(1);
    }
    monitor.finish(net)?;
    Ok(learner.recent.mean())
}

/// Everything that changes while a network is fitted.
struct Learner<'a> {
    /// The network and its target.
    nets: [&'a StrategicNet; 2],
    options: &'a Options,
    episode: Episode<'a>,
    rng: Xoshiro256PlusPlus,
    replay: Replay,
    adam: Adam,
    /// Gradient steps.
    steps: usize,
    /// Losses.
    recent: RecentMean,
}

impl Learner<'_> {
    /// Takes one decision and remembers it; returns its reward.
    fn decide(&mut self, done: f64) -> Result<f32> {
        let action = if self.rng.random_bool(epsilon(self.options, done)) {
            random_action(&self.episode.observation, &mut self.rng)?
        } else {
            best_action(self.nets[0], &self.episode.observation)?
        };
        let taken = self.episode.act(action)?;
        self.replay.push(Transition {
            state: taken.observation.state,
            action: u32::try_from(action)?,
            reward: taken.reward,
            next: (!taken.ends).then(|| self.episode.observation.clone()),
        });
        Ok(taken.reward)
    }

    /// Takes one gradient step; returns its loss.
    fn learn(&mut self, done: f64) -> Result<f64> {
        let options = self.options;
        self.adam.set_learning_rate(options.learning_rate * cosine_decay(done, LAST_RATE));
        let batch = self.replay.sample(options.batch, &mut self.rng);
        let loss = self.adam.step(&loss(self.nets, &batch, options.gamma)?)?;
        self.steps += 1;
        if self.steps.is_multiple_of(options.target_every.max(1)) {
            self.nets[1].parameters().copy_from(self.nets[0].parameters())?;
        }
        self.recent.add(done, loss);
        Ok(loss)
    }

    fn save(&self, state: &mut FitState) -> Result<()> {
        state.put_generator("fit", &self.rng);
        state.put_parameters("target", self.nets[1].parameters())?;
        state.numbers.insert("steps".to_owned(), self.steps as f64);
        self.recent.save(state);
        self.adam.save(state)?;
        self.episode.save("episode", state)?;
        self.replay.save(state)
    }

    fn restore(&mut self, state: &FitState) -> Result<()> {
        self.rng = state.generator("fit")?;
        state.restore_parameters("target", self.nets[1].parameters())?;
        self.steps = state.count("steps")?;
        self.recent.restore(state)?;
        self.adam.restore(state)?;
        self.episode.restore("episode", state)?;
        self.replay.restore(state)
    }
}

/// The share of random decisions at the part `done` of the fit.
fn epsilon(options: &Options, done: f64) -> f64 {
    let share = (done / options.explore.max(f64::MIN_POSITIVE)).min(1.0);
    (1.0 + share * (options.epsilon - 1.0)).clamp(0.0, 1.0)
}

fn random_action(observation: &Observation, rng: &mut Xoshiro256PlusPlus) -> Result<usize> {
    let allowed = observation.allowed_actions();
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

/// Huber loss between the Q-value of the action taken and
/// reward + gamma * (the target's value of the net's next choice).
fn loss([net, target]: [&StrategicNet; 2], batch: &[&Transition], gamma: f64) -> Result<Tensor> {
    let rows = batch.len();
    let current = net.q_values(&states(batch.iter().map(|t| t.state.as_slice()))?)?;
    let actions =
        Tensor::from_vec(batch.iter().map(|t| t.action).collect(), (rows, 1), &Device::Cpu)?;
    let current = current.gather(&actions, 1)?.squeeze(1)?;

    // An episode that ended repeats its last state here and is multiplied by zero below.
    let next =
        states(batch.iter().map(|t| t.next.as_ref().map_or(t.state.as_slice(), |n| &n.state)))?;
    let continues: Vec<f32> = batch.iter().map(|t| f32::from(u8::from(t.next.is_some()))).collect();
    let barred = barred(batch.iter().map(|t| t.next.as_ref()), net.actions())?;
    let choice = (net.q_values(&next)? + barred)?.argmax_keepdim(D::Minus1)?;
    let value = target.q_values(&next)?.gather(&choice, 1)?.squeeze(1)?;
    let rewards = Tensor::from_vec(batch.iter().map(|t| t.reward).collect(), rows, &Device::Cpu)?;
    let goal = (rewards + (value * Tensor::from_vec(continues, rows, &Device::Cpu)?)? * gamma)?;
    Ok(candle_nn::loss::huber(&current, &goal.detach(), HUBER_DELTA)?)
}
