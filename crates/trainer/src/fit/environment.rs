//! What a policy learns on.

use anyhow::Result;
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a policy sees before it acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Features in raw units.
    pub state: Vec<f32>,
    /// Bit `i` set: action `i` may be taken. At least one is.
    pub allowed: u32,
}

impl Observation {
    /// Whether `action` may be taken.
    pub fn allows(&self, action: usize) -> bool {
        self.allowed >> action & 1 == 1
    }
}

/// What an action led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The reward of the action.
    pub reward: f32,
    /// What is seen next; `None` when the episode is over.
    pub next: Option<Observation>,
}

/// Decisions in episodes, each with at most 32 actions to choose from.
pub trait Environment {
    /// Begins an episode.
    ///
    /// # Errors
    /// When there is none to begin.
    fn reset(&mut self) -> Result<Observation>;

    /// Takes an action that the last observation allows.
    ///
    /// # Errors
    /// When the action is not allowed, or the episode is over.
    fn step(&mut self, action: usize) -> Result<Outcome>;

    /// What everything random is drawn from, and all of the environment that outlives an episode: the same state of it at the beginning of an
    /// episode and the same actions since give the same observations.
    fn generator(&mut self) -> &mut Xoshiro256PlusPlus;
}
