use strata_domain::{GramsCo2e, Placement, RewardParts, Usd, UtcTime};

use super::history::CallMeans;

/// Runs drawn for each interval; every placement is judged on the same ones.
pub const RUNS_PER_INTERVAL: usize = 8;

/// The result of a placement for the calls of one interval. Costs, times and gas are means per
/// call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Beginning of the interval.
    pub at: UtcTime,
    /// Calls in the interval.
    pub calls: u32,
    /// Where they ran: the chosen placement, or the old one when it was refused.
    pub placement: Placement,
    /// Whether the function was moved.
    pub moved: bool,
    /// Whether the chosen placement cannot run the function. It then stays where it was and earns
    /// [`strata_domain::Objective::infeasible_reward`].
    pub refused: bool,
    /// Price per call, egress included.
    pub cost: Usd,
    /// Mean latency in ms: network, run, cold starts.
    pub latency_ms: f64,
    /// Gas per call.
    pub carbon: GramsCo2e,
    /// Share of calls that started cold. After a move the first one always does.
    pub cold_start_rate: f64,
    /// Share of calls slower than the promise.
    pub sla_violation_rate: f64,
    /// The part of it that another placement would have avoided.
    pub avoidable_violation_rate: f64,
    /// Latency in ms of the runs drawn for the interval, as many of them cold as the share says.
    pub sample_latency_ms: [f32; RUNS_PER_INTERVAL],
    /// How close the placement comes to the best value of each goal for these calls.
    pub parts: RewardParts,
    /// The reward by the objective.
    pub reward: f64,
}

impl From<&Outcome> for CallMeans {
    fn from(outcome: &Outcome) -> Self {
        Self {
            cost: outcome.cost,
            carbon: outcome.carbon,
            cold_start_rate: outcome.cold_start_rate,
            sla_violation_rate: outcome.sla_violation_rate,
        }
    }
}
