//! An environment in the middle of an episode, which can be saved and restored.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::environment::{Environment, Observation};
use crate::fit::state::FitState;

/// Most decisions of an episode that are replayed: a year of a trace has fewer intervals.
const MOST_TAKEN: usize = 1 << 20;

/// An environment that always has an observation: when an episode is over, the next one begins.
///
/// It keeps the generator's state at the beginning of the episode and the actions since then.
/// Replaying them leads back to the same observation.
pub(super) struct Episode<'e> {
    environment: &'e mut (dyn Environment + 'e),
    began: Xoshiro256PlusPlus,
    taken: Vec<u32>,
    pub(super) observation: Observation,
}

/// A decision that was taken.
pub(super) struct Taken {
    /// The observation before it.
    pub(super) observation: Observation,
    pub(super) reward: f32,
    /// Whether the episode ended with it; the next observation is then the first of another
    /// episode.
    pub(super) ends: bool,
}

impl<'e> Episode<'e> {
    /// Begins an episode.
    pub(super) fn begin(environment: &'e mut (dyn Environment + 'e)) -> Result<Self> {
        let began = environment.generator().clone();
        let observation = environment.reset()?;
        Ok(Self { environment, began, taken: Vec::new(), observation })
    }

    /// Takes an action, and begins another episode when this one is over.
    pub(super) fn act(&mut self, action: usize) -> Result<Taken> {
        let outcome = self.environment.step(action)?;
        let ends = outcome.next.is_none();
        let next = match outcome.next {
            Some(next) => {
                self.taken.push(u32::try_from(action)?);
                next
            }
            None => {
                self.began = self.environment.generator().clone();
                self.taken.clear();
                self.environment.reset()?
            }
        };
        let observation = std::mem::replace(&mut self.observation, next);
        Ok(Taken { observation, reward: outcome.reward, ends })
    }

    /// Saves the position in the episode.
    pub(super) fn save(&self, name: &str, state: &mut FitState) -> Result<()> {
        state.put_generator(name, &self.began);
        // A tensor needs an element.
        let padded: Vec<u32> = self.taken.iter().copied().chain([0]).collect();
        let count = padded.len();
        state.put(name, Tensor::from_vec(padded, count, &Device::Cpu)?);
        Ok(())
    }

    /// Goes back to the position at which [`Self::save`] was called.
    pub(super) fn restore(&mut self, name: &str, state: &FitState) -> Result<()> {
        let mut taken: Vec<u32> = state.tensor(name)?.to_vec1()?;
        ensure!(
            taken.len() <= MOST_TAKEN,
            "the episode of the checkpoint is longer than {MOST_TAKEN} decisions"
        );
        taken.pop();
        self.began = state.generator(name)?;
        *self.environment.generator() = self.began.clone();
        self.observation = self.environment.reset()?;
        for &action in &taken {
            let allowed = self.observation.allows(action as usize);
            ensure!(allowed, "the episode of the checkpoint takes an action that is not allowed");
            let next = self.environment.step(action as usize)?.next;
            self.observation =
                next.context("the episode of the checkpoint is longer than this one")?;
        }
        self.taken = taken;
        Ok(())
    }
}
