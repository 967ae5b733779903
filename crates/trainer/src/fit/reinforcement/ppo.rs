//! Fits the tactical network: proximal policy optimisation with the clipped objective (Schulman et
//! al., "Proximal Policy Optimization Algorithms", 2017) and generalised advantage estimation
//! (Schulman et al., ICLR 2016).

use anyhow::{Context, Result, ensure};
use candle_core::{D, Device, Tensor};
use candle_nn::ops::log_softmax;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    batch::{barred, states},
    environment::{Environment, Observation},
    episode::Episode,
    recent::RecentMean,
};
use crate::{
    fit::{
        adam::{Adam, LAST_RATE, cosine_decay},
        curves::Curves,
        monitor::Monitor,
        state::FitState,
    },
    nets::{Network, TacticalNet},
};

const MAX_GRADIENT_NORM: f64 = 0.5;

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Seed of the actions drawn and of the order of learning.
    pub seed: u64,
    /// Decisions taken over all environments.
    pub decisions: usize,
    /// Decisions per environment between two rounds of learning.
    pub horizon: usize,
    /// Passes over the decisions of each round.
    pub epochs: usize,
    /// Decisions per gradient step.
    pub batch: usize,
    /// Learning rate of the first step; it falls to a twentieth along a half cosine.
    pub learning_rate: f64,
    /// Discount of the next decision's value.
    pub gamma: f64,
    /// Decay of the generalised advantage estimation, 0 to 1: how far advantages look ahead.
    pub lambda: f64,
    /// Clip range of the ratio between a probability and that of the policy that acted.
    pub clip: f64,
    /// Weight of the value loss.
    pub value: f64,
    /// Weight of the entropy in the first round; it falls to zero along a half cosine.
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

/// Fits `net` in environments that are stepped in parallel. Returns the mean reward over the last
/// tenth of the rounds.
///
/// # Errors
/// When there is no environment, one fails, or training diverges.
pub fn fit(
    net: &TacticalNet,
    environments: &mut [Box<dyn Environment + '_>],
    options: &Options,
    monitor: &mut Monitor<'_, TacticalNet>,
) -> Result<f64> {
    ensure!(!environments.is_empty(), "there is no environment to learn in");
    let mut learner = Learner::new(net, environments, options)?;
    let per_round = options.horizon.max(1) * learner.actors.episodes.len();
    let rounds = options.decisions.div_ceil(per_round).max(1);
    monitor.progress.set_length(rounds as u64);
    let mut start = 0;
    if let Some(state) = monitor.resume(net)? {
        start = usize::try_from(state.step)?;
        learner.restore(&state)?;
    }
    for round in start..rounds {
        let done = round as f64 / rounds as f64;
        if monitor.validate_if_due(net, done)? && round > start {
            monitor.save(net, round, |state| learner.save(state))?;
        }
        learner.learn(round, done, &mut monitor.curves)?;
        monitor.progress.inc(1);
    }
    monitor.finish(net)?;
    Ok(learner.recent.mean())
}

/// Everything that changes while a network is fitted.
struct Learner<'a> {
    options: &'a Options,
    actors: Actors<'a>,
    rng: Xoshiro256PlusPlus,
    adam: Adam,
    /// Rewards.
    recent: RecentMean,
}

impl<'a> Learner<'a> {
    fn new(
        net: &'a TacticalNet,
        environments: &'a mut [Box<dyn Environment + '_>],
        options: &'a Options,
    ) -> Result<Self> {
        let adam = Adam::new(net.parameters().vars(), options.learning_rate, MAX_GRADIENT_NORM)?;
        let episodes =
            environments.iter_mut().map(|environment| Episode::begin(environment.as_mut()));
        Ok(Self {
            options,
            actors: Actors { net, episodes: episodes.collect::<Result<_>>()? },
            rng: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            adam,
            recent: RecentMean::default(),
        })
    }

    /// Collects one round of decisions and learns from it.
    fn learn(&mut self, round: usize, done: f64, curves: &mut Curves) -> Result<()> {
        let options = self.options;
        self.adam.set_learning_rate(options.learning_rate * cosine_decay(done, LAST_RATE));
        let entropy = options.entropy * cosine_decay(done, 0.0);
        let mut decisions = self.actors.collect(options, &mut self.rng)?;
        let reward = decisions.iter().map(|d| f64::from(d.reward)).sum::<f64>();
        let reward = reward / decisions.len() as f64;
        curves.add("reward", round as f64, reward);
        for _ in 0..options.epochs {
            decisions.shuffle(&mut self.rng);
            for batch in decisions.chunks(options.batch.max(1)) {
                let loss = self.adam.step(&loss(self.actors.net, batch, options, entropy)?)?;
                curves.add("loss", round as f64, loss);
            }
        }
        self.recent.add(done, reward);
        Ok(())
    }

    fn save(&self, state: &mut FitState) -> Result<()> {
        self.recent.save(state);
        state.put_generator("fit", &self.rng);
        self.adam.save(state)?;
        self.actors.save(state)
    }

    fn restore(&mut self, state: &FitState) -> Result<()> {
        self.recent.restore(state)?;
        self.rng = state.generator("fit")?;
        self.adam.restore(state)?;
        self.actors.restore(state)
    }
}

/// Parallel environments and the network that acts in them.
struct Actors<'a> {
    net: &'a TacticalNet,
    episodes: Vec<Episode<'a>>,
}

impl Actors<'_> {
    /// Collects one round of decisions of all environments, with advantages of zero mean and unit
    /// deviation.
    fn collect(
        &mut self,
        options: &Options,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Vec<Decision>> {
        let mut trajectories = vec![Vec::with_capacity(options.horizon); self.episodes.len()];
        for _ in 0..options.horizon.max(1) {
            self.act(&mut trajectories, rng)?;
        }
        let last = states(self.observations().map(|o| o.state.as_slice()))?;
        let beyond: Vec<f32> = self.net.act(&last)?.1.squeeze(1)?.to_vec1()?;
        for (trajectory, value) in trajectories.iter_mut().zip(beyond) {
            estimate_advantages(trajectory, value, options);
        }
        let mut decisions = trajectories.concat();
        normalise_advantages(&mut decisions);
        Ok(decisions)
    }

    /// Takes one decision in each environment.
    fn act(
        &mut self,
        trajectories: &mut [Vec<Decision>],
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<()> {
        let (logits, value) = evaluate(self.net, self.observations())?;
        let log_probabilities: Vec<Vec<f32>> = log_softmax(&logits, D::Minus1)?.to_vec2()?;
        let values: Vec<f32> = value.squeeze(1)?.to_vec1()?;
        for (index, trajectory) in trajectories.iter_mut().enumerate() {
            let action = draw(&log_probabilities[index], rng).context("no action is allowed")?;
            let taken = self.episodes[index].act(action)?;
            trajectory.push(Decision {
                observation: taken.observation,
                action: u32::try_from(action)?,
                log_probability: log_probabilities[index][action],
                value: values[index],
                reward: taken.reward,
                ends: taken.ends,
                advantage: 0.0,
            });
        }
        Ok(())
    }

    fn observations(&self) -> impl Iterator<Item = &Observation> + Clone {
        self.episodes.iter().map(|episode| &episode.observation)
    }

    fn save(&self, state: &mut FitState) -> Result<()> {
        let mut numbered = self.episodes.iter().enumerate();
        numbered.try_for_each(|(index, episode)| episode.save(&format!("episode.{index}"), state))
    }

    fn restore(&mut self, state: &FitState) -> Result<()> {
        let mut numbered = self.episodes.iter_mut().enumerate();
        numbered
            .try_for_each(|(index, episode)| episode.restore(&format!("episode.{index}"), state))
    }
}

/// Draws an action by its log probability; `None` when every probability is zero or not a number.
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
    // Rounding can leave a remainder: the draw is then the last possible action.
    last
}

/// Fills in the advantages of consecutive decisions of one environment. `beyond` is the value of
/// the observation after the last one.
fn estimate_advantages(trajectory: &mut [Decision], beyond: f32, options: &Options) {
    let (gamma, lambda) = (options.gamma as f32, options.lambda as f32);
    let (mut next_value, mut advantage) = (beyond, 0.0);
    for decision in trajectory.iter_mut().rev() {
        let continues = f32::from(u8::from(!decision.ends));
        let surprise = decision.reward + gamma * next_value * continues - decision.value;
        advantage = surprise + gamma * lambda * continues * advantage;
        decision.advantage = advantage;
        next_value = decision.value;
    }
}

/// Normalises the advantages to zero mean and unit deviation. Before that it replaces each value by
/// value plus advantage: the return that the critic learns.
fn normalise_advantages(decisions: &mut [Decision]) {
    let count = decisions.len() as f32;
    let mean = decisions.iter().map(|d| d.advantage).sum::<f32>() / count;
    let variance = decisions.iter().map(|d| (d.advantage - mean).powi(2)).sum::<f32>() / count;
    let deviation = variance.sqrt().max(1e-8);
    for decision in decisions {
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
    let (logits, value) = evaluate(net, batch.iter().map(|d| &d.observation))?;
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

/// Logits [batch, actions] in which forbidden actions are barred, and values [batch, 1].
fn evaluate<'o>(
    net: &TacticalNet,
    observations: impl Iterator<Item = &'o Observation> + Clone,
) -> Result<(Tensor, Tensor)> {
    let (logits, value) = net.act(&states(observations.clone().map(|o| o.state.as_slice()))?)?;
    let logits = (logits + barred(observations.map(Some), net.actions())?)?;
    Ok((logits, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::{super::batch::FORBIDDEN, *};

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
