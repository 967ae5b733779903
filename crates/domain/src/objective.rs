//! What a good placement is: cost, performance and carbon as one number.

use crate::estimate::Estimate;

/// How much each goal counts; not negative, together 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    cost: f64,
    performance: f64,
    carbon: f64,
}

/// Weights that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// One of them is negative, infinite or not a number.
    #[error("must be finite and at least 0")]
    OutOfRange,
    /// They are all 0, or their sum is too large for a number.
    #[error("must have a sum above 0 and finite: give at least one goal a weight")]
    NothingWanted,
}

impl Weights {
    /// Checks the three and scales them to a sum of 1, so that 2, 2, 1 means the same as 0.4, 0.4,
    /// 0.2.
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

/// How close a placement comes to the best attainable value of each goal, 0 to 1: 1 is the best,
/// 0.5 costs, takes or emits twice as much.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RewardParts {
    /// Lowest cost over cost.
    pub cost: f64,
    /// Lowest latency over latency.
    pub performance: f64,
    /// Lowest carbon over carbon.
    pub carbon: f64,
}

/// The best value of each goal over the candidate placements of one function at one time: what
/// outcomes are compared with.
///
/// A reward part is the lowest value of any feasible candidate over the outcome's: USD over USD, ms
/// over ms, gCO2e over gCO2e. So every function counts alike, whether an invocation costs a
/// micro-dollar or a cent, and a part is easy to read: a cost part of 0.8 is 25 % more than the
/// lowest possible cost. The worst candidates have no influence.
///
/// Some invocations are late on every placement, because they compute for longer than is promised.
/// The penalty counts only the late ones beyond the lowest share among the candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attainable {
    cost: f64,
    latency_ms: f64,
    carbon: f64,
    late_share: f64,
}

impl Attainable {
    /// The best values among the feasible `candidates`; `None` when none is feasible.
    pub fn over<'a>(candidates: impl IntoIterator<Item = &'a Estimate>) -> Option<Self> {
        let feasible = candidates.into_iter().filter(|candidate| candidate.feasible);
        feasible.fold(None, |best: Option<Self>, candidate| {
            let best = best.unwrap_or(Self {
                cost: f64::INFINITY,
                latency_ms: f64::INFINITY,
                carbon: f64::INFINITY,
                late_share: 1.0,
            });
            Some(Self {
                cost: best.cost.min(candidate.cost.get()),
                latency_ms: best.latency_ms.min(candidate.latency_ms),
                carbon: best.carbon.min(candidate.carbon.get()),
                late_share: best.late_share.min(candidate.late_share),
            })
        })
    }

    /// Reward parts of an outcome in USD, ms and gCO2e per invocation, each at most 1.
    pub fn score(&self, cost_usd: f64, latency_ms: f64, carbon_g: f64) -> RewardParts {
        RewardParts {
            cost: ratio(self.cost, cost_usd),
            performance: ratio(self.latency_ms, latency_ms),
            carbon: ratio(self.carbon, carbon_g),
        }
    }

    /// The part of `late_share`, a share of invocations, that another candidate would have avoided.
    pub fn avoidable(&self, late_share: f64) -> f64 {
        (late_share - self.late_share).max(0.0)
    }
}

/// `lowest` over `value`, 0 to 1, with both raised to the least positive number. 0 when `value` is
/// infinite or the ratio undefined.
fn ratio(lowest: f64, value: f64) -> f64 {
    let ratio = lowest.max(f64::MIN_POSITIVE) / value.max(f64::MIN_POSITIVE);
    if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) }
}

/// The latency every invocation is promised unless the caller says otherwise, in ms.
pub const DEFAULT_SLA_MS: f64 = 1000.0;

/// The greatest penalty for late invocations that a caller may ask for; 2 to 5 is usual.
pub const MAX_SLA_PENALTY: f64 = 100.0;

/// The weights of the goals, and the penalty for late invocations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// How much each goal counts.
    pub weights: Weights,
    /// Latency an invocation is promised, in ms.
    pub sla_ms: f64,
    /// Subtracted from the reward in proportion to the share of invocations that are late and need
    /// not be. 0 to [`MAX_SLA_PENALTY`].
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

    /// Weighted parts minus the penalty for the share of invocations that break the promise and
    /// need not ([`Attainable::avoidable`]): at most 1, at least `-sla_penalty`.
    pub fn reward(&self, parts: RewardParts, avoidable_rate: f64) -> f64 {
        self.weights.cost * parts.cost
            + self.weights.performance * parts.performance
            + self.weights.carbon * parts.carbon
            - self.sla_penalty * avoidable_rate.clamp(0.0, 1.0)
    }

    /// The reward of an infeasible placement: as if every invocation were late.
    pub fn infeasible_reward(&self) -> f64 {
        -self.sla_penalty
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::units::{GramsCo2e, Usd};

    fn candidate(cost: f64, latency_ms: f64, carbon: f64, feasible: bool) -> Estimate {
        Estimate {
            cost: Usd::new(cost),
            latency_ms,
            p95_latency_ms: latency_ms,
            cold_start_probability: 0.0,
            carbon: GramsCo2e::new(carbon),
            late_share: 0.0,
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
    fn parts_are_ratios_to_the_best_feasible_candidate() {
        let candidates = [
            candidate(1e-6, 100.0, 1e-4, true),
            candidate(1e-4, 400.0, 1e-4, true),
            candidate(1e-9, 1.0, 1.0, false),
        ];
        let best = Attainable::over(&candidates).unwrap();
        let parts = best.score(4e-6, 200.0, 1e-4);
        assert!((parts.cost - 0.25).abs() < 1e-12 && (parts.performance - 0.5).abs() < 1e-12);
        assert_eq!(parts.carbon, 1.0);
        let beyond = best.score(0.0, 1.0, f64::INFINITY);
        assert_eq!((beyond.cost, beyond.performance, beyond.carbon), (1.0, 1.0, 0.0));
        assert_eq!(Attainable::over(&candidates[2..]), None);
    }

    #[test]
    fn only_what_another_placement_avoids_is_a_broken_promise() {
        let late = |late_share| Estimate { late_share, ..candidate(1.0, 1.0, 1.0, true) };
        let best = Attainable::over(&[late(0.75), late(1.0)]).unwrap();
        assert_eq!(
            (best.avoidable(1.0), best.avoidable(0.75), best.avoidable(0.5)),
            (0.25, 0.0, 0.0)
        );
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
