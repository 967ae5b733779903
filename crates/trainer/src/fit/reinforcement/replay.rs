//! A bounded memory of transitions.

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::environment::Observation;
use crate::fit::state::FitState;

/// One remembered decision.
#[derive(Debug, Clone)]
pub(super) struct Transition {
    pub(super) state: Vec<f32>,
    pub(super) action: u32,
    pub(super) reward: f32,
    /// `None` when the episode ended.
    pub(super) next: Option<Observation>,
}

/// The latest transitions; the newest replaces the oldest.
#[derive(Debug)]
pub(super) struct Replay {
    transitions: Vec<Transition>,
    capacity: usize,
    oldest: usize,
}

impl Replay {
    pub(super) fn new(capacity: usize) -> Self {
        Self { transitions: Vec::new(), capacity: capacity.max(1), oldest: 0 }
    }

    pub(super) fn push(&mut self, transition: Transition) {
        if self.transitions.len() < self.capacity {
            self.transitions.push(transition);
        } else {
            self.transitions[self.oldest] = transition;
            self.oldest = (self.oldest + 1) % self.capacity;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.transitions.len()
    }

    /// `count` transitions drawn with replacement; none when nothing is remembered.
    pub(super) fn sample(&self, count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<&Transition> {
        if self.transitions.is_empty() {
            return Vec::new();
        }
        (0..count).map(|_| &self.transitions[rng.random_range(0..self.len())]).collect()
    }

    /// Saves all transitions.
    pub(super) fn save(&self, state: &mut FitState) -> Result<()> {
        let all = &self.transitions;
        let Some(first) = all.first() else { return Ok(()) };
        let (rows, width) = (all.len(), first.state.len());
        let next = |t: &Transition| t.next.as_ref().map_or(vec![0.0; width], |n| n.state.clone());
        // An observation allows at least one action: none allowed is the end of an episode.
        let allowed = all.iter().map(|t| t.next.as_ref().map_or(0, |next| next.allowed)).collect();
        let column = |values: Vec<u32>| Tensor::from_vec(values, rows, &Device::Cpu);
        let table = |values: Vec<f32>| Tensor::from_vec(values, (rows, width), &Device::Cpu);
        state.put("replay.states", table(all.iter().flat_map(|t| t.state.clone()).collect())?);
        state.put("replay.next", table(all.iter().flat_map(next).collect())?);
        state.put("replay.actions", column(all.iter().map(|t| t.action).collect())?);
        state.put("replay.allowed", column(allowed)?);
        let rewards = all.iter().map(|t| t.reward).collect();
        state.put("replay.rewards", Tensor::from_vec(rewards, rows, &Device::Cpu)?);
        state.numbers.insert("replay.oldest".to_owned(), self.oldest as f64);
        Ok(())
    }

    /// Restores what [`Self::save`] saved.
    pub(super) fn restore(&mut self, state: &FitState) -> Result<()> {
        if !state.tensors.contains_key("replay.states") {
            return Ok(());
        }
        let states: Vec<Vec<f32>> = state.tensor("replay.states")?.to_vec2()?;
        let next: Vec<Vec<f32>> = state.tensor("replay.next")?.to_vec2()?;
        let actions: Vec<u32> = state.tensor("replay.actions")?.to_vec1()?;
        let allowed: Vec<u32> = state.tensor("replay.allowed")?.to_vec1()?;
        let rewards: Vec<f32> = state.tensor("replay.rewards")?.to_vec1()?;
        let rows = states.len();
        let alike = [next.len(), actions.len(), allowed.len(), rewards.len()] == [rows; 4];
        let oldest = state.count("replay.oldest")?;
        ensure!(
            alike && rows <= self.capacity && oldest < self.capacity,
            "the replay memory of the checkpoint is damaged"
        );
        let rest = next.into_iter().zip(allowed).zip(actions.into_iter().zip(rewards));
        let transitions = states.into_iter().zip(rest).map(|(state, rest)| {
            let ((next, allowed), (action, reward)) = rest;
            let next = (allowed != 0).then_some(Observation { state: next, allowed });
            Transition { state, action, reward, next }
        });
        self.transitions = transitions.collect();
        self.oldest = oldest;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut replay = Replay::new(3);
        for action in 0..5 {
            replay.push(Transition { state: vec![], action, reward: 0.0, next: None });
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut seen: Vec<u32> = replay.sample(100, &mut rng).iter().map(|t| t.action).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((replay.len(), seen), (3, vec![2, 3, 4]));
    }
}
