//! What the strategic and the tactical layer choose from: as the request says, or else all of the
//! layer's own catalogue.

use strata_domain::{Catalogue, FunctionFacts, Judged, PlacementList, PlatformList};
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
    own(catalogue, facts, request.facts.as_deref(), violations, |judged, _| judged.platforms())
        .unwrap_or_default()
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
    let name = &request.platform;
    own(catalogue, facts, request.facts.as_deref(), violations, |judged, violations| {
        let platform = platform_from_pb(catalogue, name, "platform", violations);
        platform.map(|platform| judged.placements(platform)).unwrap_or_default()
    })
    .unwrap_or_default()
}

/// What `list` makes of the whole catalogue, judged for a function; `None` when the message does
/// not say where the function is.
fn own<L>(
    catalogue: &Catalogue,
    facts: &FunctionFacts,
    message: Option<&pb::FunctionFacts>,
    violations: &mut Violations,
    list: impl FnOnce(Judged<'_>, &mut Violations) -> L,
) -> Option<L> {
    let location = facts_location_from_pb(catalogue, message?, violations);
    let outlook = facts.outlook(catalogue, &location, FunctionFacts::STAY_MINUTES);
    let everything = vec![true; catalogue.candidates().len()];
    let mut allowed: Vec<bool> =
        outlook.estimates().iter().map(|estimate| estimate.feasible).collect();
    if !allowed.contains(&true) {
        // The scores of a function that can run nowhere may still be asked for.
        allowed.clone_from(&everything);
    }
    let judged = Judged {
        catalogue,
        facts,
        location: &location,
        outlook: &outlook,
        considered: &everything,
        allowed: &allowed,
    };
    Some(list(judged, violations))
}
