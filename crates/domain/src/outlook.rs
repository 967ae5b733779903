//! Every placement a function could have, judged.

use crate::{Attainable, Estimate, InvocationProfile, Objective, Placement, UtcTime, estimate};

/// The estimates of all placements of one function at one time, and what an objective makes of them.
#[derive(Debug, Clone)]
pub struct Outlook {
    estimates: [Estimate; Placement::COUNT],
    attainable: Option<Attainable>,
    objective: Objective,
}

impl Outlook {
    /// Estimates every placement: about 10 us. The promise is that of the profile.
    pub fn new(profile: &InvocationProfile, at: UtcTime, objective: Objective) -> Self {
        let estimates = std::array::from_fn(|index| {
            let placement = Placement::from_index(index).unwrap_or(profile.reference);
            estimate(profile, placement, at)
        });
        Self { attainable: Attainable::over(&estimates), estimates, objective }
    }

    /// The estimate of one placement.
    pub fn estimate(&self, placement: Placement) -> &Estimate {
        &self.estimates[placement.index()]
    }

    /// The expected objective of one placement; that of an impossible one where the function cannot run.
    pub fn objective(&self, placement: Placement) -> f64 {
        let estimate = self.estimate(placement);
        match &self.attainable {
            Some(best) if estimate.feasible => self.objective.reward(
                best.score(estimate.cost.get(), estimate.latency_ms, estimate.carbon.get()),
                best.avoidable(estimate.late_share),
            ),
            _ => self.objective.infeasible_reward(),
        }
    }

    /// The feasible placement with the greatest value, the first of equals; `None` when the function can run nowhere.
    pub fn best_by(&self, value: impl Fn(Placement, &Estimate) -> f64) -> Option<Placement> {
        let feasible = Placement::all().filter(|placement| self.estimate(*placement).feasible);
        let valued =
            feasible.map(|placement| (placement, value(placement, self.estimate(placement))));
        let better = |best: (Placement, f64), next: (Placement, f64)| {
            if next.1 > best.1 { next } else { best }
        };
        valued.reduce(better).map(|(placement, _)| placement)
    }

    /// The placement with the best expected objective; `None` when the function can run nowhere.
    pub fn best(&self) -> Option<Placement> {
        self.best_by(|placement, _| self.objective(placement))
    }
}
