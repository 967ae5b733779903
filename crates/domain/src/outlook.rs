//! All candidates for a function, estimated and scored.

use crate::{
    catalogue::{CandidateId, Catalogue},
    estimate::{Estimate, Estimator, InvocationProfile},
    objective::{Attainable, Objective},
    time::UtcTime,
};

/// The estimates of all candidates for one function at one time, and the score of each by an
/// objective.
#[derive(Debug, Clone)]
pub struct Outlook {
    estimates: Vec<Estimate>,
    /// Of staying where it runs, if the catalogue knows that place.
    current: Option<Estimate>,
    attainable: Option<Attainable>,
    objective: Objective,
}

impl Outlook {
    /// Estimates every candidate of `catalogue`. The promised latency is the profile's `sla_ms`.
    pub fn new(
        catalogue: &Catalogue,
        profile: &InvocationProfile,
        at: UtcTime,
        objective: Objective,
    ) -> Self {
        let function = Estimator::new(catalogue, profile, at);
        let sites: Vec<_> = catalogue.regions().map(|(region, _)| function.site(region)).collect();
        let mut estimates = Vec::with_capacity(catalogue.candidates().len());
        for (id, platform) in catalogue.platforms() {
            let sizes: Vec<_> =
                platform.sizes.iter().map(|size| function.sized(id, *size)).collect();
            // The order of the candidates: by region, then by size.
            for site in &sites {
                estimates.extend(sizes.iter().map_while(|size| function.estimate(site, size)));
            }
        }
        let current = profile.reference.placement().and_then(|here| {
            let size = function.size(here.platform, here.memory_mb);
            function.estimate(&sites[here.region.index()], &size)
        });
        Self { attainable: Attainable::over(&estimates), estimates, current, objective }
    }

    /// The estimate of one candidate.
    pub fn estimate(&self, candidate: CandidateId) -> &Estimate {
        &self.estimates[candidate.index()]
    }

    /// The estimates of all candidates, in the order of their ids.
    pub fn estimates(&self) -> &[Estimate] {
        &self.estimates
    }

    /// The estimate of staying where the profile's run times were observed; `None` when the
    /// catalogue does not know that place.
    pub fn current(&self) -> Option<&Estimate> {
        self.current.as_ref()
    }

    /// The expected objective of one candidate; [`Objective::infeasible_reward`] where the function
    /// cannot run.
    pub fn objective(&self, candidate: CandidateId) -> f64 {
        self.score(self.estimate(candidate))
    }

    /// The expected objective of an estimate of the same function.
    pub fn score(&self, estimate: &Estimate) -> f64 {
        match &self.attainable {
            Some(best) if estimate.feasible => self.objective.reward(
                best.score(estimate.cost.get(), estimate.latency_ms, estimate.carbon.get()),
                best.avoidable(estimate.late_share),
            ),
            _ => self.objective.infeasible_reward(),
        }
    }

    /// The best attainable value of each goal; `None` when the function can run nowhere.
    pub fn attainable(&self) -> Option<&Attainable> {
        self.attainable.as_ref()
    }

    /// The feasible candidate with the greatest value, the first of equals; `None` when the
    /// function can run nowhere.
    pub fn best_by(&self, value: impl Fn(CandidateId, &Estimate) -> f64) -> Option<CandidateId> {
        let ids = (0..self.estimates.len()).map(CandidateId::new);
        let feasible = ids.zip(&self.estimates).filter(|(_, estimate)| estimate.feasible);
        let valued = feasible.map(|(id, estimate)| (id, value(id, estimate)));
        let better = |best: (CandidateId, f64), next: (CandidateId, f64)| {
            if next.1 > best.1 { next } else { best }
        };
        valued.reduce(better).map(|(id, _)| id)
    }

    /// The candidate with the best expected objective; `None` when the function can run nowhere.
    pub fn best(&self) -> Option<CandidateId> {
        self.best_by(|_, estimate| self.score(estimate))
    }
}
