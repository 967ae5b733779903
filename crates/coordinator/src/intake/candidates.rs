//! The placements a request allows, the estimate of each, and what the models are told of them.

use std::sync::Arc;

use strata_domain::{
    Catalogue, Estimate, FaultKind, FunctionFacts, Judged, Location, Outlook, Placement,
    PlacementList, PlatformId, PlatformList,
};
use strata_wire::Fault;

use super::{frontier::frontier, limits::Limits};

/// The size of the catalogue of the research framework. Its models take the expected objective of
/// every candidate and nothing else of them. Of more candidates the models are told everything, and
/// asked only about those that may be the best.
const FEW: usize = 72;

/// The estimates of candidates, which of them the request allows, and which of them the models are
/// asked about.
#[derive(Debug)]
pub(crate) struct Candidates {
    catalogue: Arc<Catalogue>,
    location: Location,
    outlook: Outlook,
    /// The rest is by position in the outlook. Whether the request allows each.
    allowed: Vec<bool>,
    /// The expected objective of each.
    objectives: Vec<f64>,
    /// Whether the models are asked about it.
    considered: Vec<bool>,
}

impl Candidates {
    /// Estimates the candidates for a function with these facts: every one if there are few or
    /// `all` is set, else those in regions that can be the best.
    ///
    /// # Errors
    /// `FailedPrecondition` when the limits allow none.
    pub(crate) fn new(
        (catalogue, location): (&Arc<Catalogue>, &Location),
        facts: &FunctionFacts,
        limits: &Limits,
        all: bool,
    ) -> Result<Self, Fault> {
        let few = catalogue.candidates().len() <= FEW;
        let outlook = match few || all {
            true => facts.outlook(catalogue, location, FunctionFacts::STAY_MINUTES),
            false => facts.promising_outlook(catalogue, location, |region| limits.allow_in(region)),
        };
        let estimated = outlook.ids().iter().zip(outlook.estimates());
        let allowed: Vec<bool> = estimated
            .map(|(id, estimate)| limits.allow(catalogue.candidate(*id), estimate))
            .collect();
        if !allowed.contains(&true) {
            let message = limits.nothing_left(catalogue, facts.memory.get());
            return Err(Fault::new(FaultKind::FailedPrecondition, message));
        }
        let objectives: Vec<f64> =
            outlook.estimates().iter().map(|estimate| outlook.score(estimate)).collect();
        let current = location.current.and_then(|running| running.placement());
        let current = current.and_then(|current| catalogue.find_candidate(current));
        let current = current.and_then(|id| outlook.position(id));
        let considered = match few {
            true => vec![true; allowed.len()],
            false => frontier(outlook.estimates(), &allowed, &objectives, current),
        };
        let (catalogue, location) = (Arc::clone(catalogue), *location);
        Ok(Self { catalogue, location, outlook, allowed, objectives, considered })
    }

    /// The catalogue that they are of.
    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Whether the request allows `placement`.
    pub(crate) fn allows(&self, placement: Placement) -> bool {
        self.position(placement).is_some_and(|position| self.allowed[position])
    }

    /// Whether the request allows a placement on `platform`.
    pub(crate) fn allows_platform(&self, platform: PlatformId) -> bool {
        let mut positions = self.outlook.positions_on(&self.catalogue, platform);
        positions.any(|position| self.allowed[position])
    }

    /// The estimate of a candidate and its objective; `None` when it was not estimated.
    pub(crate) fn estimate(&self, placement: Placement) -> Option<(&Estimate, f64)> {
        let position = self.position(placement)?;
        Some((&self.outlook.estimates()[position], self.objectives[position]))
    }

    fn position(&self, placement: Placement) -> Option<usize> {
        self.outlook.position(self.catalogue.find_candidate(placement)?)
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
        best.map(|(position, _)| self.catalogue.candidate(self.outlook.ids()[position]))
    }

    /// The platforms that the strategic layer chooses from.
    pub(crate) fn platforms(&self, facts: &FunctionFacts) -> PlatformList {
        self.judged(facts).platforms()
    }

    /// The placements that the tactical layer chooses from on `platform`.
    pub(crate) fn placements(&self, facts: &FunctionFacts, platform: PlatformId) -> PlacementList {
        self.judged(facts).placements(platform)
    }

    /// The estimated and allowed candidates that the models were not asked about.
    pub(crate) fn dominated(&self) -> impl Iterator<Item = Placement> + '_ {
        let left_out = self.allowed.iter().zip(&self.considered).enumerate();
        let left_out = left_out.filter(|(_, (allowed, considered))| **allowed && !**considered);
        left_out.map(|(position, _)| self.catalogue.candidate(self.outlook.ids()[position]))
    }

    fn judged<'a>(&'a self, facts: &'a FunctionFacts) -> Judged<'a> {
        let Self { catalogue, location, outlook, objectives, considered, allowed } = self;
        let in_full = catalogue.candidates().len() > FEW;
        Judged { catalogue, facts, location, outlook, objectives, in_full, considered, allowed }
    }
}
