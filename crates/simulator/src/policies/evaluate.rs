//! How good a policy is.

use strata_domain::{Catalogue, Objective, Placement, RewardParts};

use super::environment::{DecisionPoint, Environment};
use crate::{
    traces::Scope,
    world::{Outcome, World},
};

/// Decides placements.
pub trait PlacementPolicy {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Where the function shall run from now on, in terms of the world's catalogue.
    fn place(&mut self, catalogue: &Catalogue, point: &DecisionPoint) -> Placement;
}

/// The figures of a policy. Unless said otherwise, every decision has the same weight, whatever its
/// number of calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The policy.
    pub policy: String,
    /// Decisions made.
    pub decisions: usize,
    /// Mean reward.
    pub mean_reward: f64,
    /// Mean reward parts, before the penalty.
    pub parts: RewardParts,
    /// Mean price of a call in USD.
    pub mean_cost_usd: f64,
    /// Price of all calls in USD.
    pub total_cost_usd: f64,
    /// Mean latency in ms.
    pub mean_latency_ms: f64,
    /// Median latency in ms over the runs drawn for each decision.
    pub p50_latency_ms: f64,
    /// 95th percentile of the same.
    pub p95_latency_ms: f64,
    /// Mean gas of a call in gCO2e.
    pub mean_carbon_g: f64,
    /// Gas of all calls in gCO2e.
    pub total_carbon_g: f64,
    /// Mean share of calls slower than the promise.
    pub sla_violation_rate: f64,
    /// The part of it that another placement would have avoided.
    pub avoidable_violation_rate: f64,
    /// Mean share of calls that started cold.
    pub cold_start_rate: f64,
    /// Share of decisions that moved the function.
    pub move_rate: f64,
    /// Share of decisions for a placement that cannot run the function.
    pub refused_rate: f64,
}

/// One decision and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Position of the function in the trace.
    pub function: usize,
    /// The outcome for the calls of the interval.
    pub outcome: Outcome,
}

/// Everything a policy decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The policy.
    pub policy: String,
    /// Its decisions, function by function, in the order of time.
    pub decided: Vec<Decided>,
}

impl Evaluation {
    /// The figures of all decisions together.
    pub fn summary(&self) -> Report {
        let mut sums = Sums::default();
        self.decided.iter().for_each(|decided| sums.add(&decided.outcome));
        sums.report(&self.policy)
    }
}

/// Has `policy` decide for every function and interval of a scope.
pub fn evaluate(
    world: &World,
    policy: &mut dyn PlacementPolicy,
    scope: impl Into<Scope>,
    objective: Objective,
) -> Evaluation {
    let mut decided = Vec::new();
    let mut environment = Environment::new(world, scope, objective);
    for function in 0..world.functions() {
        if !environment.reset(function) {
            continue;
        }
        while let Some(point) = environment.observe() {
            let placement = policy.place(world.catalogue(), &point);
            let Some(outcome) = environment.step(placement) else { break };
            decided.push(Decided { function, outcome });
        }
    }
    Evaluation { policy: policy.name().to_owned(), decided }
}

#[derive(Default)]
struct Sums {
    decisions: usize,
    reward: f64,
    parts: RewardParts,
    cost: f64,
    total_cost: f64,
    latency: f64,
    carbon: f64,
    total_carbon: f64,
    violations: f64,
    avoidable: f64,
    cold: f64,
    moves: usize,
    refused: usize,
    samples: Vec<f32>,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        let calls = f64::from(outcome.calls);
        self.decisions += 1;
        self.reward += outcome.reward;
        self.parts.cost += outcome.parts.cost;
        self.parts.performance += outcome.parts.performance;
        self.parts.carbon += outcome.parts.carbon;
        self.cost += outcome.cost.get();
        self.total_cost += calls * outcome.cost.get();
        self.latency += outcome.latency_ms;
        self.carbon += outcome.carbon.get();
        self.total_carbon += calls * outcome.carbon.get();
        self.violations += outcome.sla_violation_rate;
        self.avoidable += outcome.avoidable_violation_rate;
        self.cold += outcome.cold_start_rate;
        self.moves += usize::from(outcome.moved);
        self.refused += usize::from(outcome.refused);
        self.samples.extend_from_slice(&outcome.sample_latency_ms);
    }

    fn report(mut self, policy: &str) -> Report {
        let count = self.decisions.max(1) as f64;
        self.samples.sort_unstable_by(f32::total_cmp);
        Report {
            policy: policy.to_owned(),
            decisions: self.decisions,
            mean_reward: self.reward / count,
            parts: RewardParts {
                cost: self.parts.cost / count,
                performance: self.parts.performance / count,
                carbon: self.parts.carbon / count,
            },
            mean_cost_usd: self.cost / count,
            total_cost_usd: self.total_cost,
            mean_latency_ms: self.latency / count,
            p50_latency_ms: quantile(&self.samples, 0.50),
            p95_latency_ms: quantile(&self.samples, 0.95),
            mean_carbon_g: self.carbon / count,
            total_carbon_g: self.total_carbon,
            sla_violation_rate: self.violations / count,
            avoidable_violation_rate: self.avoidable / count,
            cold_start_rate: self.cold / count,
            move_rate: self.moves as f64 / count,
            refused_rate: self.refused as f64 / count,
        }
    }
}

/// Nearest-rank quantile of sorted values; 0 when there are none.
fn quantile(sorted: &[f32], level: f64) -> f64 {
    let rank = (level * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().map_or(0.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let values: Vec<f32> = (1..=20).map(|v| v as f32).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.95)), (10.0, 19.0));
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
