//! What the strategic and the tactical layer choose from: as the request says, or else all of the
//! layer's own catalogue.

use strata_domain::{
    CandidateList, Catalogue, FunctionFacts, Judged, Location, Outlook, PlacementList, PlatformList,
};
use strata_wire::{
    Violations, facts_location_from_pb, pb, placement_candidates_from_pb,
    platform_candidates_from_pb, platform_from_pb,
};

/// The platforms that the request lists, or else all of the layer's catalogue. `needed` is
/// how many numbers of each the model takes.
pub(super) fn platforms(
    catalogue: &Catalogue,
    facts: &FunctionFacts,
    (request, needed): (&mut pb::SelectRequest, usize),
    violations: &mut Violations,
) -> PlatformList {
    if let Some(candidates) = request.candidates.take() {
        let list = platform_candidates_from_pb(*candidates, violations);
        check_known(&list.list, needed, violations);
        return list;
    }
    let own = Own::of(catalogue, facts, request.facts.as_deref(), violations);
    own.map(|own| own.judged(catalogue, facts).platforms()).unwrap_or_default()
}

/// The placements on a platform that the request lists, or else all of the layer's catalogue.
/// `needed` is how many numbers of each the model takes.
pub(super) fn placements(
    catalogue: &Catalogue,
    facts: &FunctionFacts,
    (request, needed): (&mut pb::PlaceRequest, usize),
    violations: &mut Violations,
) -> PlacementList {
    if let Some(candidates) = request.candidates.take() {
        let list = placement_candidates_from_pb(*candidates, violations);
        check_known(&list.list, needed, violations);
        return list;
    }
    let platform = platform_from_pb(catalogue, &request.platform, "platform", violations);
    let own = Own::of(catalogue, facts, request.facts.as_deref(), violations);
    let listed = own.zip(platform).map(|(own, id)| own.judged(catalogue, facts).placements(id));
    listed.unwrap_or_default()
}

/// Adds a violation when less is known of the candidates than the model takes.
fn check_known(list: &CandidateList, needed: usize, violations: &mut Violations) {
    let known = list.width();
    if known < needed && violations.is_empty() {
        let text = format_args!("the model takes the first {needed} for each, are {known}");
        violations.add("candidates.table.values", text);
    }
}

/// The layer's whole catalogue, judged for a function.
struct Own {
    location: Location,
    outlook: Outlook,
    objectives: Vec<f64>,
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
        let objectives = outlook.estimates().iter().map(|estimate| outlook.score(estimate));
        let objectives = objectives.collect();
        Some(Self { location, outlook, objectives, listed, allowed })
    }

    fn judged<'a>(&'a self, catalogue: &'a Catalogue, facts: &'a FunctionFacts) -> Judged<'a> {
        let Self { location, outlook, objectives, listed: considered, allowed } = self;
        Judged {
            catalogue,
            facts,
            location,
            outlook,
            objectives,
            in_full: true,
            considered,
            allowed,
        }
    }
}
