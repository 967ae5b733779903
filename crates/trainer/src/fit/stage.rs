//! An environment in the middle of an episode, which can be got back.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    environment::{Environment, Observation},
    state::State,
};

/// Most decisions of an episode that are played again: a year of a trace has fewer intervals.
const MOST_TAKEN: usize = 1 << 20;

/// An environment that is never without an observation. What came before in the episode is its generator's state at the beginning and the
/// actions since: playing them again leads to the same place.
pub(super) struct Stage<'e> {
    environment: &'e mut (dyn Environment + 'e),
    began: Xoshiro256PlusPlus,
    taken: Vec<u32>,
    pub(super) observation: Observation,
}

/// A decision that was taken.
pub(super) struct Passed {
    /// What was seen before it.
    pub(super) observation: Observation,
    pub(super) reward: f32,
    /// Whether the episode ended with it; then the stage shows the beginning of another.
    pub(super) ends: bool,
}

impl<'e> Stage<'e> {
    /// Begins an episode.
    pub(super) fn open(environment: &'e mut (dyn Environment + 'e)) -> Result<Self> {
        let began = environment.generator().clone();
        let observation = environment.reset()?;
        Ok(Self { environment, began, taken: Vec::new(), observation })
    }

    /// Acts, and begins another episode when this one is over.
    pub(super) fn act(&mut self, action: usize) -> Result<Passed> {
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
        Ok(Passed { observation, reward: outcome.reward, ends })
    }

    /// Keeps where the episode is.
    pub(super) fn save(&self, name: &str, state: &mut State) -> Result<()> {
        state.put_generator(name, &self.began);
        // A tensor needs an element.
        let padded: Vec<u32> = self.taken.iter().copied().chain([0]).collect();
        let count = padded.len();
        state.put(name, Tensor::from_vec(padded, count, &Device::Cpu)?);
        Ok(())
    }

    /// Goes back to where [`Self::save`] was called.
    pub(super) fn restore(&mut self, name: &str, state: &State) -> Result<()> {
        let mut taken: Vec<u32> = state.tensor(name)?.to_vec1()?;
        ensure!(taken.len() <= MOST_TAKEN, "the checkpoint's episode is longer than any");
        taken.pop();
        self.began = state.generator(name)?;
        *self.environment.generator() = self.began.clone();
        self.observation = self.environment.reset()?;
        for &action in &taken {
            let allowed = action < 32 && self.observation.allows(action as usize);
            ensure!(allowed, "the checkpoint's episode takes an action that is not allowed");
            let next = self.environment.step(action as usize)?.next;
            self.observation = next.context("the checkpoint's episode is longer than this one")?;
        }
        self.taken = taken;
        Ok(())
    }
}
