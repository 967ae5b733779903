//! A bounded memory of transitions.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::environment::Observation;

/// One remembered decision.
#[derive(Debug, Clone)]
pub(super) struct Transition {
    pub(super) state: Vec<f32>,
    pub(super) action: u32,
    pub(super) reward: f32,
    /// `None` when the episode ended.
    pub(super) next: Option<Observation>,
}

/// The latest transitions; the oldest makes room for the newest.
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;

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
