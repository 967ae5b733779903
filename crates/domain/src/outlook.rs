//! All placements of a function, estimated and scored.

use crate::{
    estimate::{Estimate, Estimator, InvocationProfile},
    objective::{Attainable, Objective},
    placement::{MemoryTier, Placement, Provider, Region},
    time::UtcTime,
};

/// The estimates of all placements of one function at one time, and the score of each by an
/// objective.
#[derive(Debug, Clone)]
pub struct Outlook {
    estimates: [Estimate; Placement::COUNT],
    attainable: Option<Attainable>,
    objective: Objective,
}

impl Outlook {
    /// Estimates every placement, in a few us. The promised latency is the profile's `sla_ms`.
    pub fn new(profile: &InvocationProfile, at: UtcTime, objective: Objective) -> Self {
        let function = Estimator::new(profile, at);
        let sites = Provider::ALL.map(|p| Region::ALL.map(|region| function.site(p, region)));
        let sizes = Provider::ALL.map(|p| MemoryTier::ALL.map(|memory| function.size(p, memory)));
        let estimates = std::array::from_fn(|index| {
            let (rest, memory) = (index / MemoryTier::COUNT, index % MemoryTier::COUNT);
            let (provider, region) = (rest / Region::COUNT, rest % Region::COUNT);
            function.estimate(&sites[provider][region], &sizes[provider][memory])
        });
        Self { attainable: Attainable::over(&estimates), estimates, objective }
    }

    /// The estimate of one placement.
    pub fn estimate(&self, placement: Placement) -> &Estimate {
        &self.estimates[placement.index()]
    }

    /// The expected objective of one placement; [`Objective::infeasible_reward`] where the function
    /// cannot run.
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

    /// The feasible placement with the greatest value, the first of equals; `None` when the
    /// function can run nowhere.
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
