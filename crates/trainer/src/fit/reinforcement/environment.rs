//! The environments that a policy learns in.

use anyhow::{Context, Result};
use rand::seq::IndexedRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Most actions of an environment: one bit of [`Observation::allowed`] each.
const MOST_ACTIONS: usize = u32::BITS as usize;

/// What a policy sees before it acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Features in raw units.
    pub state: Vec<f32>,
    /// Bit `i` set: action `i` may be taken. At least one is set.
    pub allowed: u32,
}

impl Observation {
    /// Whether `action` may be taken.
    pub fn allows(&self, action: usize) -> bool {
        action < MOST_ACTIONS && self.allowed >> action & 1 == 1
    }

    /// The actions that may be taken, in order.
    pub(super) fn allowed_actions(&self) -> Vec<usize> {
        (0..MOST_ACTIONS).filter(|&action| self.allows(action)).collect()
    }
}

/// The result of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The reward of the action.
    pub reward: f32,
    /// The next observation; `None` when the episode is over.
    pub next: Option<Observation>,
}

/// Decisions in episodes, each with at most 32 actions to choose from.
pub trait Environment {
    /// Begins an episode.
    ///
    /// # Errors
    /// When no episode can begin.
    fn reset(&mut self) -> Result<Observation>;

    /// Takes an action that the last observation allows.
    ///
    /// # Errors
    /// When the action is not allowed, or the episode is over.
    fn step(&mut self, action: usize) -> Result<Outcome>;

    /// The source of all randomness, and the only state that outlives an episode: the same
    /// generator at the beginning of an episode and the same actions since then give the same
    /// observations.
    fn generator(&mut self) -> &mut Xoshiro256PlusPlus;
}

/// `count` states met under random decisions.
///
/// # Errors
/// When the environment fails, or an observation allows no action.
pub fn random_states(
    environment: &mut dyn Environment,
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(count);
    let mut observation = environment.reset()?;
    while rows.len() < count {
        let allowed = observation.allowed_actions();
        let action = *allowed.choose(rng).context("an observation allows no action")?;
        let next = environment.step(action)?.next;
        rows.push(observation.state);
        observation = match next {
            Some(next) => next,
            None => environment.reset()?,
        };
    }
    Ok(rows)
}
