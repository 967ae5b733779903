//! Candidates in the order in which a model sees them.

use super::candidate::Candidate;
use crate::{
    catalogue::{CandidateId, Catalogue, PlatformId},
    facts::{FunctionFacts, Location},
    outlook::Outlook,
    placement::{Placement, Running},
};

/// Candidates with what is known of them, and which of them may be chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CandidateList {
    /// What is known of each.
    pub candidates: Vec<Candidate>,
    /// Whether each may be chosen: as many.
    pub allowed: Vec<bool>,
}

impl CandidateList {
    /// Appends a candidate.
    pub fn push(&mut self, candidate: Candidate, allowed: bool) {
        self.candidates.push(candidate);
        self.allowed.push(allowed);
    }
}

/// Platforms to choose from, each described by its best candidate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlatformList {
    /// Their names.
    pub platforms: Vec<String>,
    /// What is known of each: as many.
    pub list: CandidateList,
}

/// Placements on one platform to choose from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlacementList {
    /// Names of regions, each once.
    pub regions: Vec<String>,
    /// The region, as a position in `regions`, and the memory in MB of each candidate.
    pub placements: Vec<(u32, u32)>,
    /// What is known of each: as many.
    pub list: CandidateList,
}

impl PlacementList {
    /// Region and memory of a candidate.
    pub fn placement(&self, index: usize) -> Option<(&str, u32)> {
        let &(region, memory_mb) = self.placements.get(index)?;
        Some((self.regions.get(region as usize)?, memory_mb))
    }
}

/// A function whose candidates were judged, and which of them are listed and may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The catalogue.
    pub catalogue: &'a Catalogue,
    /// The function.
    pub facts: &'a FunctionFacts,
    /// Where it is.
    pub location: &'a Location,
    /// The estimates of all candidates.
    pub outlook: &'a Outlook,
    /// Whether each candidate is listed, by its id.
    pub considered: &'a [bool],
    /// Whether each candidate may be chosen, by its id.
    pub allowed: &'a [bool],
}

impl Judged<'_> {
    /// The platforms with a listed candidate, each described by the best of these.
    pub fn platforms(&self) -> PlatformList {
        let mut list = PlatformList::default();
        for (platform, entry) in self.catalogue.platforms() {
            let listed = self.listed(platform).map(|id| (id, self.outlook.objective(id)));
            let better = |best: (CandidateId, f64), next: (CandidateId, f64)| {
                if next.1 > best.1 { next } else { best }
            };
            let Some((best, _)) = listed.reduce(better) else { continue };
            let allowed = self.catalogue.candidates_of(platform).any(|id| self.allowed[id]);
            list.platforms.push(entry.name.clone());
            list.list.push(self.describe(best), allowed);
        }
        list
    }

    /// The listed placements on `platform`.
    pub fn placements(&self, platform: PlatformId) -> PlacementList {
        let mut list = PlacementList::default();
        let mut last_region = None;
        for id in self.listed(platform) {
            let Placement { region, memory_mb, .. } = self.catalogue.candidate(id);
            // Candidates of a region are next to one another.
            if last_region != Some(region) {
                list.regions.push(self.catalogue.region(region).name.clone());
                last_region = Some(region);
            }
            let position = list.regions.len().saturating_sub(1) as u32;
            list.placements.push((position, memory_mb));
            list.list.push(self.describe(id), self.allowed[id.index()]);
        }
        list
    }

    fn listed(&self, platform: PlatformId) -> impl Iterator<Item = CandidateId> + '_ {
        let ids = self.catalogue.candidates_of(platform).map(CandidateId::new);
        ids.filter(|id| self.considered[id.index()])
    }

    fn describe(&self, id: CandidateId) -> Candidate {
        let Self { catalogue, facts, location, outlook, .. } = self;
        let placement = catalogue.candidate(id);
        let estimate = outlook.estimate(id);
        let here = |what: &dyn Fn(Running) -> bool| location.current.is_some_and(what);
        let region = placement.region;
        Candidate {
            expected_objective: outlook.objective(id),
            cost_usd: estimate.cost.get(),
            latency_ms: estimate.latency_ms,
            carbon_g: estimate.carbon.get(),
            cold_start_probability: estimate.cold_start_probability,
            late_share: estimate.late_share,
            memory_head_room: f64::from(placement.memory_mb) / facts.memory.get().max(1.0),
            round_trip_ms: catalogue.caller_round_trip_ms(location.home.origin(), region),
            grid_intensity: catalogue.region(region).grid.at(facts.at),
            is_current: here(&|now| now == Running::from(placement)),
            on_current_platform: here(&|now| now.platform == placement.platform),
            in_current_region: here(&|now| now.region == Some(region)),
        }
    }
}
