//! Objectives and estimates of placements.

use std::fmt;

use strata_domain::{Estimate, Weights};

use crate::{Violations, pb};

/// Reads the weights from the message at path `field`, or returns the default of equal weights when
/// there is none; adds a violation for each wrong weight.
pub fn weights_from_pb(
    weights: Option<&pb::ObjectiveWeights>,
    field: impl fmt::Display,
    violations: &mut Violations,
) -> Weights {
    let Some(weights) = weights else { return Weights::default() };
    Weights::new(weights.cost, weights.performance, weights.carbon).unwrap_or_else(|error| {
        violations.add(field, error);
        Weights::default()
    })
}

/// Writes the weights of an objective to a message; they add up to 1.
pub const fn weights_to_pb(weights: Weights) -> pb::ObjectiveWeights {
    pb::ObjectiveWeights {
        cost: weights.cost(),
        performance: weights.performance(),
        carbon: weights.carbon(),
    }
}

/// Writes an estimate and its objective to a message.
pub fn estimate_to_pb(estimate: &Estimate, objective: f64) -> pb::Estimate {
    pb::Estimate {
        cost_usd: estimate.cost.get(),
        latency_ms: estimate.latency_ms,
        carbon_g: estimate.carbon.get(),
        cold_start_probability: estimate.cold_start_probability,
        objective,
    }
}
