//! Random streams that depend on a seed, a function and a purpose, and on nothing else.
//!
//! Every draw has its own short stream, so that no result depends on the order in which results are
//! asked for.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};
use strata_domain::FunctionId;

/// What a stream is for; two purposes never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Attributes = 1,
    Arrivals = 2,
    Durations = 3,
    Memory = 4,
    StepDurations = 5,
    RandomPolicy = 6,
    Cohort = 7,
    Invocation = 8,
    Times = 9,
}

/// A number that stands for a function: FNV-1a of its application's and its own name.
pub(crate) fn identity(id: &FunctionId) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = id.application().bytes().chain([0]).chain(id.function().bytes());
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The stream of draw number `index`.
pub(crate) fn stream(seed: u64, identity: u64, purpose: Purpose, index: u64) -> Draws {
    let mut state = mix(seed.wrapping_add(purpose as u64));
    state = mix(state ^ identity);
    Draws(Xoshiro256PlusPlus::seed_from_u64(mix(state ^ index)))
}

/// A number in [0, 1) for `index`, without a stream.
pub(crate) fn unit(seed: u64, identity: u64, purpose: Purpose, index: u64) -> f64 {
    to_unit(mix(mix(mix(seed.wrapping_add(purpose as u64)) ^ identity) ^ index))
}

/// Finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The upper 53 bits as a fraction.
fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Draws from one stream. Conversions are our own: a new release of `rand` must not change the
/// world.
pub(crate) struct Draws(Xoshiro256PlusPlus);

impl Draws {
    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        to_unit(self.0.next_u64())
    }

    /// Uniform in 0 to `bound - 1`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.unit() * bound as f64) as usize).min(bound.saturating_sub(1))
    }

    /// Standard normal (Box-Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// An index into `weights` by their share of the sum.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn streams_depend_on_every_part_of_their_name() {
        let id = identity(&FunctionId::new("app", "f").unwrap());
        let first = |seed, id, purpose, index| stream(seed, id, purpose, index).unit();
        let base = first(1, id, Purpose::Arrivals, 0);
        assert_eq!(base, first(1, id, Purpose::Arrivals, 0));
        assert_ne!(base, first(2, id, Purpose::Arrivals, 0));
        assert_ne!(base, first(1, id ^ 1, Purpose::Arrivals, 0));
        assert_ne!(base, first(1, id, Purpose::Durations, 0));
        assert_ne!(base, first(1, id, Purpose::Arrivals, 1));
    }

    #[test]
    fn the_names_are_kept_apart() {
        let split = |a: &str, f: &str| identity(&FunctionId::new(a, f).unwrap());
        assert_ne!(split("ab", "c"), split("a", "bc"));
    }

    #[test]
    fn draws_have_the_distribution_they_claim() {
        let mut draws = stream(7, 7, Purpose::Memory, 0);
        let normals: Vec<f64> = (0..20_000).map(|_| draws.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 20_000.0;
        let variance = normals.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let heavy = (0..10_000).filter(|_| draws.weighted(&[1.0, 3.0]) == 1).count();
        assert!((7200..7800).contains(&heavy), "{heavy}");
        assert!((0..1000).all(|_| draws.below(3) < 3));
    }
}
