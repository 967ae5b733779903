//! Confidence intervals by a cluster bootstrap over functions: the decisions of one function are
//! not independent.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};
use strata_simulator::Decided;

use super::ratio::ratio;

/// Resamples of each interval.
const RESAMPLES: usize = 2000;
/// The share of resampled means on each side of the interval.
const TAIL: f64 = 0.025;

/// A mean and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The sum and the number of the values of each function, in the order of functions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters(Vec<(f64, f64)>);

impl Clusters {
    /// The rewards of decisions that come function by function.
    pub(crate) fn of(decided: &[Decided]) -> Self {
        let groups = decided.chunk_by(|a, b| a.function == b.function);
        Self(
            groups
                .map(|group| {
                    let sum = group.iter().map(|decided| decided.outcome.reward).sum();
                    (sum, group.len() as f64)
                })
                .collect(),
        )
    }

    /// How many functions.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The mean of each function.
    pub(crate) fn means(&self) -> Vec<f64> {
        self.0.iter().map(|(sum, count)| ratio(*sum, *count)).collect()
    }

    /// The differences between two policies on the same decisions.
    pub(crate) fn less(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| (own.0 - other.0, own.1)).collect())
    }

    /// The mean over decisions, with the interval of 2,000 resamples of functions. The same seed
    /// gives the same interval.
    pub(crate) fn interval(&self, seed: u64) -> Interval {
        let mean = mean_of(self.0.iter());
        if self.0.is_empty() {
            return Interval { mean, low: mean, high: mean };
        }
        let mut draws = Xoshiro256PlusPlus::seed_from_u64(seed);
        let count = self.0.len() as u64;
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                // The bias of a remainder is below 1e-13 for any trace that can be read.
                let drawn = (0..count).map(|_| &self.0[(draws.next_u64() % count) as usize]);
                mean_of(drawn)
            })
            .collect();
        means.sort_unstable_by(f64::total_cmp);
        let at = |level: f64| means[((RESAMPLES - 1) as f64 * level).round() as usize];
        Interval { mean, low: at(TAIL), high: at(1.0 - TAIL) }
    }
}

fn mean_of<'a>(clusters: impl Iterator<Item = &'a (f64, f64)>) -> f64 {
    let (sum, count) = clusters.fold((0.0, 0.0), |(sum, count), (s, c)| (sum + s, count + c));
    ratio(sum, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_are_all_alike_leave_no_doubt() {
        let interval = Clusters(vec![(1.0, 2.0); 9]).interval(1);
        assert_eq!(interval, Interval { mean: 0.5, low: 0.5, high: 0.5 });
    }

    #[test]
    fn the_interval_is_that_of_the_mean_over_functions() {
        // 100 functions of one decision each, half 0 and half 1: the mean has a deviation of 0.05.
        let clusters = Clusters((0..100).map(|n| (f64::from(n % 2), 1.0)).collect());
        let interval = clusters.interval(1);
        assert_eq!(interval.mean, 0.5);
        assert!((interval.low - 0.402).abs() < 0.015, "{interval:?}");
        assert!((interval.high - 0.598).abs() < 0.015, "{interval:?}");
        assert_eq!(interval, clusters.interval(1));
        // The same decisions in fewer functions are worth less.
        let fewer = Clusters((0..4).map(|n| (25.0 * f64::from(n % 2), 25.0)).collect());
        assert!(fewer.interval(1).low < 0.2);
    }

    #[test]
    fn pairs_take_out_what_policies_share() {
        let own = Clusters((0..50).map(|n| (f64::from(n) + 0.1, 1.0)).collect());
        let other = Clusters((0..50).map(|n| (f64::from(n), 1.0)).collect());
        let interval = own.less(&other).interval(3);
        assert!((interval.low - 0.1).abs() < 1e-9 && (interval.high - 0.1).abs() < 1e-9);
    }
}
