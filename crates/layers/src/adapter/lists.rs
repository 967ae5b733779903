//! What the strategic and the tactical layer choose from: as the request says, or else all of the
//! layer's own catalogue.

use strata_domain::{
    Catalogue, FunctionFacts, Judged, Location, Outlook, PlacementList, PlatformList,
};
use strata_wire::{
    Violations, facts_location_from_pb, pb, placement_candidates_from_pb,
    platform_candidates_from_pb, platform_from_pb,
};

/// A function, and the platforms that the request lists or that the layer's catalogue has.
pub(super) fn platforms(
    catalogue: &Catalogue,
    facts: &FunctionFacts,
    request: &mut pb::SelectRequest,
    violations: &mut Violations,
) -> PlatformList {
    if let Some(candidates) = request.candidates.take() {
        return platform_candidates_from_pb(*candidates, violations);
    }
    let own = Own::of(catalogue, facts, request.facts.as_deref(), violations);
    own.map(|own| own.judged(catalogue, facts).platforms()).unwrap_or_default()
}

/// A function, and the placements on a platform that the request lists or that the layer's
/// catalogue has.
pub(super) fn placements(
    catalogue: &Catalogue,
    facts: &FunctionFacts,
    request: &mut pb::PlaceRequest,
    violations: &mut Violations,
) -> PlacementList {
    if let Some(candidates) = request.candidates.take() {
        return placement_candidates_from_pb(*candidates, violations);
    }
    let platform = platform_from_pb(catalogue, &request.platform, "platform", violations);
    let own = Own::of(catalogue, facts, request.facts.as_deref(), violations);
    let listed = own.zip(platform).map(|(own, id)| own.judged(catalogue, facts).placements(id));
    listed.unwrap_or_default()
}

/// The layer's whole catalogue, judged for a function.
struct Own {
    location: Location,
    outlook: Outlook,
    listed: Vec<bool>,
    allowed: Vec<bool>,
}

impl Own {
    /// `None` without a message, which says where the function is.
    fn of(
        catalogue: &Catalogue,
        facts: &FunctionFacts,
        message: Option<&pb::FunctionFacts>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let location = facts_location_from_pb(catalogue, message?, violations);
        let outlook = facts.outlook(catalogue, &location, FunctionFacts::STAY_MINUTES);
        let listed = vec![true; outlook.ids().len()];
        let mut allowed: Vec<bool> =
            outlook.estimates().iter().map(|estimate| estimate.feasible).collect();
        if !allowed.contains(&true) {
            // The scores of a function that can run nowhere may still be asked for.
            allowed.clone_from(&listed);
        }
        Some(Self { location, outlook, listed, allowed })
    }

    fn judged<'a>(&'a self, catalogue: &'a Catalogue, facts: &'a FunctionFacts) -> Judged<'a> {
        let Self { location, outlook, listed: considered, allowed } = self;
        Judged { catalogue, facts, location, outlook, considered, allowed }
    }
}
