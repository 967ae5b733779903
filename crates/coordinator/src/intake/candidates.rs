//! The placements a request allows, the estimate of each, and what the models are told of them.

use std::sync::Arc;

use strata_domain::{
    Catalogue, Estimate, FaultKind, FunctionFacts, Judged, Location, Outlook, Placement,
    PlacementList, PlatformId, PlatformList,
};
use strata_wire::Fault;

use super::{frontier::frontier, limits::Limits};

/// The models of the research framework take all candidates of a catalogue of this size, as many as
/// it has; of more candidates the models are asked only about those that may be the best.
const FEW: usize = 72;

/// The estimates of all candidates, which of them the request allows, and which of them the models
/// are asked about.
#[derive(Debug)]
pub(crate) struct Candidates {
    catalogue: Arc<Catalogue>,
    location: Location,
    outlook: Outlook,
    allowed: Vec<bool>,
    /// The expected objective of each.
    objectives: Vec<f64>,
    /// Whether the models are asked about it.
    considered: Vec<bool>,
}

impl Candidates {
    /// Estimates every candidate for a function with these facts.
    ///
    /// # Errors
    /// `FailedPrecondition` when the limits allow none.
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        facts: &FunctionFacts,
        location: &Location,
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let outlook = facts.outlook(&catalogue, location, FunctionFacts::STAY_MINUTES);
        let estimated = catalogue.candidates().iter().zip(outlook.estimates());
        let allowed: Vec<bool> =
            estimated.map(|(placement, estimate)| limits.allow(*placement, estimate)).collect();
        if !allowed.contains(&true) {
            let message = limits.nothing_left(&catalogue, facts.memory.get());
            return Err(Fault::new(FaultKind::FailedPrecondition, message));
        }
        let objectives: Vec<f64> =
            outlook.estimates().iter().map(|estimate| outlook.score(estimate)).collect();
        let current = location.current.and_then(|running| running.placement());
        let current = current.and_then(|current| catalogue.find_candidate(current));
        let considered = match allowed.len() {
            0..=FEW => vec![true; allowed.len()],
            _ => frontier(outlook.estimates(), &allowed, &objectives, current),
        };
        let location = *location;
        Ok(Self { catalogue, location, outlook, allowed, objectives, considered })
    }

    /// The catalogue that they are of.
    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Whether the request allows `placement`.
    pub(crate) fn allows(&self, placement: Placement) -> bool {
        let found = self.catalogue.find_candidate(placement);
        found.is_some_and(|id| self.allowed[id.index()])
    }

    /// Whether the request allows a placement on `platform`.
    pub(crate) fn allows_platform(&self, platform: PlatformId) -> bool {
        self.catalogue.candidates_of(platform).any(|id| self.allowed[id])
    }

    /// The estimate of a candidate and its objective; `None` when it cannot be chosen.
    pub(crate) fn estimate(&self, placement: Placement) -> Option<(&Estimate, f64)> {
        let id = self.catalogue.find_candidate(placement)?;
        Some((self.outlook.estimate(id), self.objectives[id.index()]))
    }

    /// The estimate of staying where the function runs and its objective, if the catalogue knows
    /// that place.
    pub(crate) fn current(&self) -> Option<(&Estimate, f64)> {
        self.location.current?;
        let current = self.outlook.current()?;
        Some((current, self.outlook.score(current)))
    }

    /// The allowed placement with the best expected objective; the first of several equal ones.
    pub(crate) fn best(&self) -> Option<Placement> {
        let allowed = self.objectives.iter().zip(&self.allowed).enumerate();
        let allowed = allowed.filter(|(_, (_, allowed))| **allowed);
        let better = |best: (usize, f64), next: (usize, f64)| {
            if next.1 > best.1 { next } else { best }
        };
        let best = allowed.map(|(index, (value, _))| (index, *value)).reduce(better);
        best.map(|(index, _)| self.catalogue.candidates()[index])
    }

    /// The platforms that the strategic layer chooses from.
    pub(crate) fn platforms(&self, facts: &FunctionFacts) -> PlatformList {
        self.judged(facts).platforms()
    }

    /// The placements that the tactical layer chooses from on `platform`.
    pub(crate) fn placements(&self, facts: &FunctionFacts, platform: PlatformId) -> PlacementList {
        self.judged(facts).placements(platform)
    }

    /// The allowed candidates that the models were not asked about.
    pub(crate) fn dominated(&self) -> impl Iterator<Item = Placement> + '_ {
        let left_out = self.allowed.iter().zip(&self.considered).enumerate();
        let left_out = left_out.filter(|(_, (allowed, considered))| **allowed && !**considered);
        left_out.map(|(index, _)| self.catalogue.candidates()[index])
    }

    fn judged<'a>(&'a self, facts: &'a FunctionFacts) -> Judged<'a> {
        let Self { catalogue, location, outlook, considered, allowed, .. } = self;
        Judged { catalogue, facts, location, outlook, considered, allowed }
    }
}
