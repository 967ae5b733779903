//! The candidates that can be the best under some weights: those that no other is at least as good
//! as in cost, latency, carbon and late invocations.

use strata_domain::Estimate;

/// What an objective is made of; less is better in each.
type Goals = [f64; 4];

/// Which of the allowed candidates no other dominates. The one where the function runs now stays in
/// any case. Of equal candidates the first stays.
///
/// Every objective falls with each of the four goals, so the best candidate is always among them.
pub(super) fn frontier(
    estimates: &[Estimate],
    allowed: &[bool],
    objectives: &[f64],
    current: Option<usize>,
) -> Vec<bool> {
    let indices = (0..estimates.len()).filter(|index| allowed[*index]);
    let mut order: Vec<(f64, usize)> = indices.map(|index| (-objectives[index], index)).collect();
    // A good candidate dominates many: looked at first, it spares most comparisons.
    order.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let mut kept = vec![false; estimates.len()];
    let mut front: Vec<Goals> = Vec::new();
    for (_, index) in order {
        let goals = goals(&estimates[index]);
        if !front.iter().any(|better| dominates(better, &goals)) {
            front.push(goals);
            kept[index] = true;
        }
    }
    if let Some(current) = current.filter(|current| allowed[*current]) {
        kept[current] = true;
    }
    kept
}

fn goals(estimate: &Estimate) -> Goals {
    let Estimate { cost, latency_ms, carbon, late_share, .. } = estimate;
    [cost.get(), *latency_ms, carbon.get(), *late_share]
}

fn dominates(better: &Goals, goals: &Goals) -> bool {
    better.iter().zip(goals).all(|(better, other)| better <= other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use strata_domain::{Attainable, GramsCo2e, Objective, Usd, Weights};

    use super::*;

    fn estimate([cost, latency, carbon, late]: [u32; 4]) -> Estimate {
        Estimate {
            cost: Usd::new(f64::from(cost)),
            latency_ms: f64::from(latency),
            p95_latency_ms: f64::from(latency),
            cold_start_probability: 0.0,
            carbon: GramsCo2e::new(f64::from(carbon)),
            late_share: f64::from(late) / 10.0,
            feasible: true,
        }
    }

    proptest! {
        #[test]
        fn the_best_is_never_dropped_whatever_the_weights(
            goals in prop::collection::vec(prop::array::uniform4(1..10u32), 1..60),
            weights in prop::array::uniform3(0.01..1.0f64),
            penalty in 0.0..10.0f64,
        ) {
            let estimates: Vec<Estimate> = goals.into_iter().map(estimate).collect();
            let weights = Weights::new(weights[0], weights[1], weights[2])
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let objective = Objective { weights, sla_ms: 1.0, sla_penalty: penalty };
            let best = Attainable::over(&estimates)
                .ok_or_else(|| TestCaseError::fail("none is feasible"))?;
            let value = |e: &Estimate| {
                let parts = best.score(e.cost.get(), e.latency_ms, e.carbon.get());
                objective.reward(parts, best.avoidable(e.late_share))
            };
            let objectives: Vec<f64> = estimates.iter().map(value).collect();
            let allowed = vec![true; estimates.len()];
            let kept = frontier(&estimates, &allowed, &vec![0.0; estimates.len()], None);
            let most = objectives.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let left = objectives.iter().zip(&kept).filter(|(_, kept)| **kept);
            let most_left = left.map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((most - most_left).abs() < 1e-12);
        }
    }

    #[test]
    fn the_dominated_go_and_the_current_one_stays() {
        let estimates = [[2, 2, 2, 2], [3, 3, 3, 3], [1, 9, 9, 9], [2, 2, 2, 2]].map(estimate);
        let allowed = [true; 4];
        let kept = |current| frontier(&estimates, &allowed, &[0.0; 4], current);
        assert_eq!(kept(None), [true, false, true, false]);
        let estimates = [[1, 1, 1, 1], [3, 3, 3, 3]].map(estimate);
        let forbidden = frontier(&estimates, &[false, true], &[0.0; 2], None);
        assert_eq!(forbidden, [false, true], "what is not allowed dominates nothing");
    }
}
