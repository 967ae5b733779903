//! Candidates in the order in which a model sees them.

use super::candidate::Candidate;
use crate::{
    catalogue::{Catalogue, PlatformId},
    facts::{FunctionFacts, Location},
    outlook::Outlook,
    placement::{Placement, Running},
};

/// Candidates with what is known of them, and which of them may be chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CandidateList {
    /// The first [`CandidateList::width`] of [`Candidate::values`] of each, one after the other;
    /// empty when nothing is known of them.
    pub values: Vec<f32>,
    /// Whether each may be chosen.
    pub allowed: Vec<bool>,
}

impl CandidateList {
    /// How many numbers are known of each candidate.
    pub fn width(&self) -> usize {
        self.values.len() / self.allowed.len().max(1)
    }

    /// The numbers of each candidate.
    pub fn candidates(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width().max(1))
    }

    /// The expected objective of a candidate, if anything is known of it.
    pub fn expected_objective(&self, index: usize) -> Option<f32> {
        self.values.get(index * self.width()).copied()
    }
}

/// Platforms to choose from, each described by its best candidate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlatformList {
    /// Their names.
    pub platforms: Vec<String>,
    /// What is known of each.
    pub list: CandidateList,
}

/// Placements on one platform to choose from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlacementList {
    /// Names of regions, each once.
    pub regions: Vec<String>,
    /// The region, as a position in `regions`, and the memory in MB of each candidate.
    pub placements: Vec<(u32, u32)>,
    /// What is known of each.
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
    /// The estimates of candidates.
    pub outlook: &'a Outlook,
    /// The expected objective of each of those that were estimated.
    pub objectives: &'a [f64],
    /// Whether all numbers of a candidate are listed, or only its expected objective, which is all
    /// that the models of the research framework take.
    pub in_full: bool,
    /// Whether each of those that were estimated is listed.
    pub considered: &'a [bool],
    /// Whether each of those that were estimated may be chosen.
    pub allowed: &'a [bool],
}

impl Judged<'_> {
    /// The platforms with a listed candidate, each described by the best of these.
    pub fn platforms(&self) -> PlatformList {
        let mut list = PlatformList::default();
        for (platform, entry) in self.catalogue.platforms() {
            let listed = self.listed(platform);
            let listed = listed.map(|position| (position, self.objectives[position]));
            let better = |best: (usize, f64), next: (usize, f64)| {
                if next.1 > best.1 { next } else { best }
            };
            let Some((best, _)) = listed.reduce(better) else { continue };
            let allowed = self
                .outlook
                .positions_on(self.catalogue, platform)
                .any(|position| self.allowed[position]);
            list.platforms.push(entry.name.clone());
            self.push(&mut list.list, best, allowed);
        }
        list
    }

    /// The listed placements on `platform`.
    pub fn placements(&self, platform: PlatformId) -> PlacementList {
        let mut list = PlacementList::default();
        let mut last_region = None;
        for position in self.listed(platform) {
            let id = self.outlook.ids()[position];
            let Placement { region, memory_mb, .. } = self.catalogue.candidate(id);
            // Candidates of a region are next to one another.
            if last_region != Some(region) {
                list.regions.push(self.catalogue.region(region).name.clone());
                last_region = Some(region);
            }
            let in_regions = list.regions.len().saturating_sub(1) as u32;
            list.placements.push((in_regions, memory_mb));
            self.push(&mut list.list, position, self.allowed[position]);
        }
        list
    }

    fn listed(&self, platform: PlatformId) -> impl Iterator<Item = usize> + '_ {
        self.outlook
            .positions_on(self.catalogue, platform)
            .filter(|position| self.considered[*position])
    }

    fn push(&self, list: &mut CandidateList, position: usize, allowed: bool) {
        match self.in_full {
            true => list.values.extend(self.describe(position).values()),
            false => list.values.push(self.objectives[position] as f32),
        }
        list.allowed.push(allowed);
    }

    fn describe(&self, position: usize) -> Candidate {
        let Self { catalogue, facts, location, outlook, .. } = self;
        let placement = catalogue.candidate(outlook.ids()[position]);
        let estimate = &outlook.estimates()[position];
        let here = |what: &dyn Fn(Running) -> bool| location.current.is_some_and(what);
        let region = placement.region;
        Candidate {
            expected_objective: self.objectives[position],
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
