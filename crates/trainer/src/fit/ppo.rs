//! Fits the tactical network: proximal policy optimisation with the clipped objective (Schulman et
//! al., "Proximal Policy Optimization Algorithms", 2017) and generalised advantage estimation
//! (Schulman et al., ICLR 2016).

use anyhow::{Context, Result, ensure};
use candle_core::{D, Device, Tensor};
use candle_nn::ops::log_softmax;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    environment::{Environment, Observation},
    optimiser::Adam,
    stage::Stage,
    state::State,
    watch::Watch,
};
use crate::nets::{Network, TacticalNet};

const MAX_GRADIENT_NORM: f64 = 0.5;
/// Added to the logit of an action that may not be taken: its probability becomes exactly zero.
const FORBIDDEN: f32 = -1e4;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Seed of the actions drawn and of the order of learning.
    pub seed: u64,
    /// Decisions taken over all environments.
    pub decisions: usize,
    /// Decisions per environment between two rounds of learning.
    pub horizon: usize,
    /// Times each round is gone over.
    pub epochs: usize,
    /// Decisions per gradient step.
    pub batch: usize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine.
    pub learning_rate: f64,
    /// How much the next decision's value counts.
    pub gamma: f64,
    /// How far advantages look ahead, 0 to 1.
    pub lambda: f64,
    /// How far a probability may move from that of the policy that acted.
    pub clip: f64,
    /// Weight of the value loss.
    pub value: f64,
    /// Weight of the entropy at the beginning; it falls to nothing along a half cosine.
    pub entropy: f64,
}

/// One decision of a round.
#[derive(Debug, Clone)]
struct Decision {
    observation: Observation,
    action: u32,
    log_probability: f32,
    value: f32,
    reward: f32,
    /// Whether the episode ended with it.
    ends: bool,
    advantage: f32,
}

/// Fits `net` on environments that are stepped side by side. Returns the mean reward over the last
/// tenth of the rounds.
///
/// # Errors
/// When there is no environment, one fails, or training diverges.
pub fn fit(
    net: &TacticalNet,
    environments: &mut [Box<dyn Environment + '_>],
    options: &Options,
    watch: &mut Watch<'_, TacticalNet>,
) -> Result<f64> {
    ensure!(!environments.is_empty(), "there is nothing to learn on");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(options.seed);
    let mut adam = Adam::new(net.parameters().vars(), options.learning_rate, MAX_GRADIENT_NORM)?;
    let stages = environments.iter_mut().map(|environment| Stage::open(environment.as_mut()));
    let mut actors = Actors { net, stages: stages.collect::<Result<_>>()? };
    let rounds = options.decisions.div_ceil(options.horizon.max(1) * actors.stages.len()).max(1);
    watch.progress.set_length(rounds as u64);
    let (mut recent, mut counted) = (0.0, 0u32);
    let mut start = 0;
    if let Some(state) = watch.resume(net)? {
        start = usize::try_from(state.step)?;
        (recent, counted) =
            (state.number("recent.sum")?, u32::try_from(state.count("recent.count")?)?);
        rng = state.generator("fit")?;
        adam.restore(&state)?;
        actors.restore(&state)?;
    }
    for round in start..rounds {
        let done = round as f64 / rounds as f64;
        if watch.look(net, done)? && round > start {
            watch.save(net, round, |state| {
                state.numbers.insert("recent.sum".to_owned(), recent);
                state.numbers.insert("recent.count".to_owned(), f64::from(counted));
                state.put_generator("fit", &rng);
                adam.save(state)?;
                actors.save(state)
            })?;
        }
        adam.set_learning_rate(options.learning_rate * super::cosine_decay(done, 0.05));
        let entropy = options.entropy * super::cosine_decay(done, 0.0);
        let mut decisions = actors.gather(options, &mut rng)?;
        let reward = decisions.iter().map(|d| f64::from(d.reward)).sum::<f64>();
        let reward = reward / decisions.len() as f64;
        watch.curves.add("reward", round as f64, reward);
        for _ in 0..options.epochs {
            decisions.shuffle(&mut rng);
            for batch in decisions.chunks(options.batch.max(1)) {
                let loss = adam.step(&loss(net, batch, options, entropy)?)?;
                watch.curves.add("loss", round as f64, loss);
            }
        }
        if done >= 0.9 {
            (recent, counted) = (recent + reward, counted + 1);
        }
        watch.progress.inc(1);
    }
    watch.finish(net)?;
    Ok(recent / f64::from(counted.max(1)))
}

/// Environments side by side, and who acts in them.
struct Actors<'a> {
    net: &'a TacticalNet,
    stages: Vec<Stage<'a>>,
}

impl Actors<'_> {
    /// One round of decisions of all environments, with advantages of zero mean and unit deviation.
    fn gather(&mut self, options: &Options, rng: &mut Xoshiro256PlusPlus) -> Result<Vec<Decision>> {
        let mut trails = vec![Vec::with_capacity(options.horizon); self.stages.len()];
        for _ in 0..options.horizon.max(1) {
            self.act(&mut trails, rng)?;
        }
        let beyond: Vec<f32> =
            self.net.act(&states(&self.observations())?)?.1.squeeze(1)?.to_vec1()?;
        for (trail, value) in trails.iter_mut().zip(beyond) {
            estimate_advantages(trail, value, options);
        }
        let mut decisions = trails.concat();
        normalise_advantages(&mut decisions);
        Ok(decisions)
    }

    /// One decision of each environment.
    fn act(&mut self, trails: &mut [Vec<Decision>], rng: &mut Xoshiro256PlusPlus) -> Result<()> {
        let observations = self.observations();
        let (logits, value) = self.net.act(&states(&observations)?)?;
        let logits = (logits + barred(&observations, self.net.actions())?)?;
        let log_probabilities: Vec<Vec<f32>> = log_softmax(&logits, D::Minus1)?.to_vec2()?;
        let values: Vec<f32> = value.squeeze(1)?.to_vec1()?;
        for (index, trail) in trails.iter_mut().enumerate() {
            let action = draw(&log_probabilities[index], rng).context("no action is allowed")?;
            let passed = self.stages[index].act(action)?;
            trail.push(Decision {
                observation: passed.observation,
                action: u32::try_from(action)?,
                log_probability: log_probabilities[index][action],
                value: values[index],
                reward: passed.reward,
                ends: passed.ends,
                advantage: 0.0,
            });
        }
        Ok(())
    }

    fn observations(&self) -> Vec<&Observation> {
        self.stages.iter().map(|stage| &stage.observation).collect()
    }

    fn save(&self, state: &mut State) -> Result<()> {
        let mut numbered = self.stages.iter().enumerate();
        numbered.try_for_each(|(index, stage)| stage.save(&format!("stage.{index}"), state))
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let mut numbered = self.stages.iter_mut().enumerate();
        numbered.try_for_each(|(index, stage)| stage.restore(&format!("stage.{index}"), state))
    }
}

/// An action with the given log probabilities; `None` when all are zero or not a number.
fn draw(log_probabilities: &[f32], rng: &mut Xoshiro256PlusPlus) -> Option<usize> {
    let mut left: f32 = rng.random();
    let mut last = None;
    for (action, log_probability) in log_probabilities.iter().enumerate() {
        let probability = log_probability.exp();
        if probability > 0.0 {
            last = Some(action);
            left -= probability;
            if left <= 0.0 {
                break;
            }
        }
    }
    // Rounding can leave a little over: then it is the last possible action.
    last
}

/// Fills in the advantages of consecutive decisions of one environment; `beyond` is the value of
/// what follows the last.
fn estimate_advantages(trail: &mut [Decision], beyond: f32, options: &Options) {
    let (gamma, lambda) = (options.gamma as f32, options.lambda as f32);
    let (mut next_value, mut advantage) = (beyond, 0.0);
    for decision in trail.iter_mut().rev() {
        let goes_on = f32::from(u8::from(!decision.ends));
        let surprise = decision.reward + gamma * next_value * goes_on - decision.value;
        advantage = surprise + gamma * lambda * goes_on * advantage;
        decision.advantage = advantage;
        next_value = decision.value;
    }
}

/// Makes advantages comparable between rounds. What a decision is expected to return stays reward
/// plus value: it is kept as the value.
fn normalise_advantages(decisions: &mut [Decision]) {
    let count = decisions.len() as f32;
    let mean = decisions.iter().map(|d| d.advantage).sum::<f32>() / count;
    let variance = decisions.iter().map(|d| (d.advantage - mean).powi(2)).sum::<f32>() / count;
    let deviation = variance.sqrt().max(1e-8);
    for decision in decisions {
        // From here on `value` is the goal of the critic: the return that was seen.
        decision.value += decision.advantage;
        decision.advantage = (decision.advantage - mean) / deviation;
    }
}

/// The clipped objective plus value loss minus entropy, a scalar.
fn loss(net: &TacticalNet, batch: &[Decision], options: &Options, entropy: f64) -> Result<Tensor> {
    let rows = batch.len();
    let column = |part: fn(&Decision) -> f32| {
        Tensor::from_vec(batch.iter().map(part).collect(), rows, &Device::Cpu)
    };
    let observations: Vec<&Observation> = batch.iter().map(|d| &d.observation).collect();
    let (logits, value) = net.act(&states(&observations)?)?;
    let logits = (logits + barred(&observations, net.actions())?)?;
    let log_probabilities = log_softmax(&logits, D::Minus1)?;
    let actions: Vec<u32> = batch.iter().map(|d| d.action).collect();
    let taken = log_probabilities
        .gather(&Tensor::from_vec(actions, (rows, 1), &Device::Cpu)?, 1)?
        .squeeze(1)?;

    let ratio = (taken - column(|d| d.log_probability)?)?.exp()?;
    let advantage = column(|d| d.advantage)?;
    let clipped = (ratio.clamp(1.0 - options.clip, 1.0 + options.clip)? * &advantage)?;
    let policy = (ratio * advantage)?.minimum(&clipped)?.mean_all()?.neg()?;
    let critic = (value.squeeze(1)? - column(|d| d.value)?)?.sqr()?.mean_all()?;
    let spread = (log_probabilities.exp()? * &log_probabilities)?.sum(D::Minus1)?.mean_all()?;
    Ok(((policy + (critic * options.value)?)? + (spread * entropy)?)?)
}

/// [batch, actions]: zero where an action is allowed, far below elsewhere.
fn barred<O: std::borrow::Borrow<Observation>>(rows: &[O], actions: usize) -> Result<Tensor> {
    let values: Vec<f32> = rows
        .iter()
        .flat_map(|row| {
            let row = row.borrow();
            (0..actions).map(|action| if row.allows(action) { 0.0 } else { FORBIDDEN })
        })
        .collect();
    Ok(Tensor::from_vec(values, (rows.len(), actions), &Device::Cpu)?)
}

/// Observations as [batch, features].
fn states<O: std::borrow::Borrow<Observation>>(rows: &[O]) -> Result<Tensor> {
    let width = rows.first().map_or(0, |row| row.borrow().state.len());
    let values: Vec<f32> = rows.iter().flat_map(|row| row.borrow().state.iter().copied()).collect();
    Ok(Tensor::from_vec(values, (rows.len(), width), &Device::Cpu)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_action_is_never_drawn() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let log_probabilities = [f32::NEG_INFINITY, 0.25f32.ln(), FORBIDDEN, 0.75f32.ln()];
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[draw(&log_probabilities, &mut rng).unwrap()] += 1;
        }
        assert_eq!((counts[0], counts[2]), (0, 0));
        assert!((900..1100).contains(&counts[1]), "{counts:?}");
        assert_eq!(draw(&[f32::NEG_INFINITY; 4], &mut rng), None);
    }
}
