//! What a good placement is: cost, performance and carbon as one number.

use crate::Estimate;

/// How much each goal counts; not negative, together 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    cost: f64,
    performance: f64,
    carbon: f64,
}

/// Weights that mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// One of them is negative, infinite or not a number.
    #[error("must be finite and at least 0")]
    OutOfRange,
    /// They are all 0, so nothing is wanted, or their sum is too large for a number.
    #[error("must have a sum above 0 and finite: give at least one goal a weight")]
    NothingWanted,
}

impl Weights {
    /// Checks the three and scales them to a sum of 1, so that 2, 2, 1 means the same as 0.4, 0.4, 0.2.
    ///
    /// # Errors
    /// One is negative or not finite, or the sum is 0 or not finite.
    pub fn new(cost: f64, performance: f64, carbon: f64) -> Result<Self, WeightsError> {
        if [cost, performance, carbon].iter().any(|w| !w.is_finite() || *w < 0.0) {
            return Err(WeightsError::OutOfRange);
        }
        let sum = cost + performance + carbon;
        if !(sum.is_finite() && sum >= f64::MIN_POSITIVE) {
            return Err(WeightsError::NothingWanted);
        }
        Ok(Self { cost: cost / sum, performance: performance / sum, carbon: carbon / sum })
    }

    /// Weight of cost, 0 to 1.
    pub const fn cost(self) -> f64 {
        self.cost
    }

    /// Weight of performance, 0 to 1.
    pub const fn performance(self) -> f64 {
        self.performance
    }

    /// Weight of carbon, 0 to 1.
    pub const fn carbon(self) -> f64 {
        self.carbon
    }
}

impl Default for Weights {
    /// 0.4 cost, 0.4 performance, 0.2 carbon, as in the research framework.
    fn default() -> Self {
        Self { cost: 0.4, performance: 0.4, carbon: 0.2 }
    }
}

/// How well a placement does on each goal, 0 (worst candidate) to 1 (best candidate).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RewardParts {
    /// Cheapness.
    pub cost: f64,
    /// Swiftness.
    pub performance: f64,
    /// Cleanness.
    pub carbon: f64,
}

/// Lowest and highest value of one quantity among the candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    lowest: f64,
    highest: f64,
}

impl Span {
    const EMPTY: Self = Self { lowest: f64::INFINITY, highest: 0.0 };

    /// Values are kept above 0 so that they have a logarithm.
    fn include(&mut self, value: f64) {
        let value = value.max(f64::MIN_POSITIVE);
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
    }

    /// Position on a logarithmic scale: 1 at the lowest, 0 at the highest, 1 when they are the same.
    fn score(self, value: f64) -> f64 {
        let width = (self.highest / self.lowest).ln();
        if width <= 0.0 {
            return 1.0;
        }
        1.0 - ((value.max(f64::MIN_POSITIVE) / self.lowest).ln() / width).clamp(0.0, 1.0)
    }
}

/// The range of cost, latency and carbon over the candidate placements of one function at one time.
///
/// A reward part is the position of the outcome between the worst and the best feasible candidate on a logarithmic scale: half way is the
/// geometric mean of the two. So every function counts alike, whether it costs a micro-dollar or a cent, twice as
/// cheap is worth the same anywhere on the scale, and no placement is best merely because its numbers are large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CandidateRange {
    cost: Span,
    latency: Span,
    carbon: Span,
}

impl CandidateRange {
    /// The range over the feasible ones of `candidates`; `None` when there is none.
    pub fn over<'a>(candidates: impl IntoIterator<Item = &'a Estimate>) -> Option<Self> {
        let mut range = Self { cost: Span::EMPTY, latency: Span::EMPTY, carbon: Span::EMPTY };
        let mut found = false;
        for candidate in candidates.into_iter().filter(|candidate| candidate.feasible) {
            found = true;
            range.cost.include(candidate.cost.get());
            range.latency.include(candidate.latency_ms);
            range.carbon.include(candidate.carbon.get());
        }
        found.then_some(range)
    }

    /// Reward parts of an outcome in USD, ms and gCO2e per invocation. Beyond the range they stay 0 or 1.
    pub fn score(&self, cost_usd: f64, latency_ms: f64, carbon_g: f64) -> RewardParts {
        RewardParts {
            cost: self.cost.score(cost_usd),
            performance: self.latency.score(latency_ms),
            carbon: self.carbon.score(carbon_g),
        }
    }
}

/// The latency every invocation is promised unless the caller says otherwise, in ms.
pub const DEFAULT_SLA_MS: f64 = 1000.0;

/// Weights, and what a broken promise costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// How much each goal counts.
    pub weights: Weights,
    /// Latency an invocation is promised, in ms.
    pub sla_ms: f64,
    /// Taken off the reward when every invocation breaks the promise; in proportion when some do.
    pub sla_penalty: f64,
}

impl Objective {
    /// The strategic layer's: default weights, 1000 ms, penalty 5.
    pub fn strategic() -> Self {
        Self { weights: Weights::default(), sla_ms: DEFAULT_SLA_MS, sla_penalty: 5.0 }
    }

    /// The tactical layer's: default weights, 1000 ms, penalty 2.
    pub fn tactical() -> Self {
        Self { sla_penalty: 2.0, ..Self::strategic() }
    }

    /// Weighted parts minus the penalty for the share of invocations that break the promise: at most 1, at least
    /// `-sla_penalty`.
    pub fn reward(&self, parts: RewardParts, violation_rate: f64) -> f64 {
        self.weights.cost * parts.cost
            + self.weights.performance * parts.performance
            + self.weights.carbon * parts.carbon
            - self.sla_penalty * violation_rate.clamp(0.0, 1.0)
    }

    /// What an impossible placement earns: nothing, and every promise broken.
    pub fn infeasible_reward(&self) -> f64 {
        -self.sla_penalty
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{GramsCo2e, Usd};

    fn candidate(cost: f64, latency_ms: f64, carbon: f64, feasible: bool) -> Estimate {
        Estimate {
            cost: Usd::new(cost),
            latency_ms,
            p95_latency_ms: latency_ms,
            cold_start_probability: 0.0,
            carbon: GramsCo2e::new(carbon),
            feasible,
        }
    }

    #[test]
    fn weights_are_checked_and_scaled() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let scaled = Weights::new(2.0, 2.0, 1.0).unwrap();
        assert!(close(scaled.cost(), 0.4) && close(scaled.performance(), 0.4));
        assert!(close(scaled.carbon(), Weights::default().carbon()));
        assert_eq!(Weights::new(0.0, 0.0, 0.0), Err(WeightsError::NothingWanted));
        assert_eq!(Weights::new(f64::MAX, f64::MAX, 0.0), Err(WeightsError::NothingWanted));
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Weights::new(0.5, bad, 0.5), Err(WeightsError::OutOfRange));
        }
    }

    #[test]
    fn parts_are_positions_on_a_logarithmic_scale_between_feasible_candidates() {
        let candidates = [
            candidate(1e-6, 100.0, 1e-4, true),
            candidate(1e-4, 400.0, 1e-4, true),
            candidate(1e-9, 1.0, 1.0, false),
        ];
        let range = CandidateRange::over(&candidates).unwrap();
        let parts = range.score(1e-5, 200.0, 1e-4);
        assert!((parts.cost - 0.5).abs() < 1e-12 && (parts.performance - 0.5).abs() < 1e-12);
        assert_eq!(parts.carbon, 1.0);
        let beyond = range.score(1.0, 1.0, 1.0);
        assert_eq!((beyond.cost, beyond.performance), (0.0, 1.0));
        assert_eq!(CandidateRange::over(&candidates[2..]), None);
    }

    #[test]
    fn broken_promises_cost_five_above_and_two_below() {
        let best = RewardParts { cost: 1.0, performance: 1.0, carbon: 1.0 };
        assert!((Objective::strategic().reward(best, 0.0) - 1.0).abs() < 1e-12);
        assert!((Objective::strategic().reward(best, 1.0) + 4.0).abs() < 1e-12);
        assert!((Objective::tactical().reward(best, 0.5)).abs() < 1e-12);
        assert_eq!(Objective::tactical().infeasible_reward(), -2.0);
    }
}
