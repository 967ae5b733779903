//! The candidates for a function, estimated and scored.

use std::ops::Range;

use crate::{
    catalogue::{CandidateId, Catalogue, PlatformId, RegionId},
    estimate::{Estimate, Estimator, InvocationProfile, SiteNow, undominated},
    objective::{Attainable, Objective},
    time::UtcTime,
};

/// The estimates of the candidates for one function at one time, and the score of each by an
/// objective.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The candidates that were estimated, ascending.
    ids: Vec<CandidateId>,
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
        Self::of(Estimator::new(catalogue, profile, at), objective, |_, _| vec![])
    }

    /// Estimates the candidates in regions that can be the best: those that no other region on sale
    /// is at least as good as, whatever the memory size, those that no other allowed region is, and
    /// the one where the function runs. Scores are the same as if all were estimated.
    pub fn promising(
        function: (&Catalogue, &InvocationProfile, UtcTime),
        objective: Objective,
        allowed: impl Fn(RegionId) -> bool,
    ) -> Self {
        let (catalogue, profile, at) = function;
        let here = profile.reference.region;
        Self::of(Estimator::new(catalogue, profile, at), objective, |platform, sites| {
            undominated((catalogue, platform), sites, &|region| allowed(region), here)
        })
    }

    /// Estimates the candidates of each platform in the regions that `keep` keeps; an empty list
    /// keeps all.
    fn of(
        function: Estimator<'_>,
        objective: Objective,
        keep: impl Fn(PlatformId, &[SiteNow]) -> Vec<bool>,
    ) -> Self {
        let catalogue = function.catalogue();
        let sites: Vec<_> = catalogue.regions().map(|(region, _)| function.site(region)).collect();
        let (mut ids, mut estimates) = (Vec::new(), Vec::new());
        for (id, platform) in catalogue.platforms() {
            let sizes: Vec<_> =
                platform.sizes.iter().map(|size| function.sized(id, *size)).collect();
            let kept = keep(id, &sites);
            let mut next = catalogue.candidates_of(id).start;
            // The order of the candidates: by region, then by size.
            for (index, site) in sites.iter().enumerate() {
                let Some(rates) = catalogue.rates(id, site.region()) else { continue };
                if kept.get(index).copied().unwrap_or(true) {
                    ids.extend((next..next + sizes.len()).map(CandidateId::new));
                    estimates
                        .extend(sizes.iter().map(|size| function.estimate_at(site, size, rates)));
                }
                next += sizes.len();
            }
        }
        let current = function.profile().reference.placement().and_then(|here| {
            let size = function.size(here.platform, here.memory_mb);
            function.estimate(&sites[here.region.index()], &size)
        });
        Self { attainable: Attainable::over(&estimates), ids, estimates, current, objective }
    }

    /// The estimate of one candidate; `None` when it was not estimated.
    pub fn estimate(&self, candidate: CandidateId) -> Option<&Estimate> {
        self.position(candidate).map(|position| &self.estimates[position])
    }

    /// The place of a candidate among those that were estimated.
    pub fn position(&self, candidate: CandidateId) -> Option<usize> {
        // The whole catalogue is the usual case.
        match self.ids.get(candidate.index()) {
            Some(id) if *id == candidate => Some(candidate.index()),
            _ => self.ids.binary_search(&candidate).ok(),
        }
    }

    /// The places of the candidates of a platform among those that were estimated.
    pub fn positions_on(&self, catalogue: &Catalogue, platform: PlatformId) -> Range<usize> {
        let of_platform = catalogue.candidates_of(platform);
        let first = |end: usize| self.ids.partition_point(|id| id.index() < end);
        first(of_platform.start)..first(of_platform.end)
    }

    /// The candidates that were estimated, ascending.
    pub fn ids(&self) -> &[CandidateId] {
        &self.ids
    }

    /// Their estimates, in the same order.
    pub fn estimates(&self) -> &[Estimate] {
        &self.estimates
    }

    /// The estimate of staying where the profile's run times were observed; `None` when the
    /// catalogue does not know that place.
    pub fn current(&self) -> Option<&Estimate> {
        self.current.as_ref()
    }

    /// The expected objective of one candidate; [`Objective::infeasible_reward`] where the function
    /// cannot run, or when it was not estimated.
    pub fn objective(&self, candidate: CandidateId) -> f64 {
        let estimate = self.estimate(candidate);
        estimate.map_or(self.objective.infeasible_reward(), |estimate| self.score(estimate))
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
        let ids = self.ids.iter().copied();
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
