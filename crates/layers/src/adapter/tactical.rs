//! The tactical layer: chooses the region and the memory on a platform.

use std::sync::Arc;

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{Candidate, Catalogue, FaultKind, FunctionFacts, PlacementList};
use strata_policy::{
    candidates::{LOGITS, VALUE},
    research::{
        Action, Provider, Situation,
        tactical::{self, ActionMask, Encoder},
    },
};
use strata_runtime::Manifest;
use strata_wire::{Fault, Placing, Violations, facts_from_pb, pb};
use tracing::Span;

use super::{
    Adapter, RowInputs, lists,
    research::{ResearchPlaces, nothing_expected},
    schema::{self, ModelMismatch},
    scorer::Scorer,
};

/// The tactical layer.
#[derive(Debug)]
pub(crate) struct Tactical {
    catalogue: Arc<Catalogue>,
    model: Model,
    value: usize,
}

#[derive(Debug)]
enum Model {
    /// Versions 1 and 2: a logit for each area and memory size of the research framework.
    Research(Box<Research>),
    /// Version 3: a logit for each placement that is listed.
    Scoring(Scorer),
}

#[derive(Debug)]
struct Research {
    places: ResearchPlaces,
    encoder: Encoder,
    needs_expected: bool,
    logits: usize,
}

/// The part of a request that decoding the logits needs.
pub(crate) struct Context {
    platform: String,
    /// The placements that the logits belong to, and whether each may be chosen.
    placements: PlacementList,
    explain: bool,
}

impl Adapter for Tactical {
    type Hop = Placing;
    type Context = Context;

    fn for_model(manifest: &Manifest, catalogue: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        let model = match manifest.axis {
            Some(_) => Model::Scoring(Scorer::for_model(manifest, LOGITS)?),
            None => Model::Research(Box::new(Research::for_model(manifest, catalogue)?)),
        };
        let value = schema::output(manifest, VALUE, 1)?;
        Ok(Self { catalogue: Arc::clone(catalogue), model, value })
    }

    fn encode(
        &self,
        mut request: pb::PlaceRequest,
        rows: &mut RowInputs,
    ) -> Result<Context, Fault> {
        let mut violations = Violations::new();
        let facts = facts_from_pb(request.facts.as_deref(), &mut violations);
        if request.platform.is_empty() {
            violations.add("platform", "must be given");
        }
        let Some(facts) = facts.filter(|_| violations.is_empty()) else {
            return Err(violations.into_fault());
        };
        match &self.model {
            Model::Research(research) => research.encode(&facts, request, rows),
            Model::Scoring(scorer) => {
                let catalogue = &self.catalogue;
                let placements =
                    lists::placements(catalogue, &facts, &mut request, &mut violations);
                if !violations.is_empty() {
                    return Err(violations.into_fault());
                }
                scorer.encode(&facts, &placements.list, rows);
                Ok(Context { platform: request.platform, placements, explain: request.explain })
            }
        }
    }

    fn decode(
        &self,
        context: &Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::PlaceResponse, Fault> {
        let Context { platform, placements, explain } = context;
        let allowed = &placements.list.allowed;
        let chosen = match &self.model {
            Model::Research(research) => {
                let allowed = ActionMask::of(|action| allowed[action]);
                tactical::choose(outputs[research.logits], allowed).map(Action::index)
            }
            Model::Scoring(scorer) => scorer.choose(outputs, allowed),
        };
        let (region, memory_mb) = chosen
            .and_then(|index| placements.placement(index))
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave no usable logit"))?;
        let placement = pb::Placement {
            platform: platform.clone(),
            region: region.to_owned(),
            memory_mb,
            provider: String::new(),
        };
        Ok(pb::PlaceResponse {
            placement: Some(placement),
            logits: if *explain { self.scores(outputs) } else { Vec::new() },
            value: if *explain { outputs[self.value][0] } else { 0.0 },
            labels: if *explain { labels(placements) } else { Vec::new() },
            inference: Some(inference),
        })
    }

    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32> {
        match &self.model {
            Model::Research(research) => outputs[research.logits].to_vec(),
            Model::Scoring(scorer) => scorer.scores(outputs).to_vec(),
        }
    }

    fn agree(one: &pb::PlaceResponse, other: &pb::PlaceResponse) -> bool {
        one.placement == other.placement
    }

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "tactical.place", otel.kind = "server")
    }
}

/// The names of the placements that logits belong to.
fn labels(placements: &PlacementList) -> Vec<String> {
    let named = (0..placements.placements.len()).filter_map(|index| placements.placement(index));
    named.map(|(region, memory_mb)| format!("{region}/{memory_mb}")).collect()
}

impl Research {
    fn for_model(manifest: &Manifest, catalogue: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        let features = schema::features(manifest, tactical::INPUT, &[])?;
        let encoder = Encoder::resolve(features)
            .map_err(|source| ModelMismatch::Features { input: tactical::INPUT, source })?;
        Ok(Self {
            places: ResearchPlaces::of(catalogue)?,
            needs_expected: encoder.needs_expected(),
            encoder,
            logits: schema::output(manifest, tactical::LOGITS, tactical::ACTIONS)?,
        })
    }

    fn encode(
        &self,
        facts: &FunctionFacts,
        mut request: pb::PlaceRequest,
        rows: &mut RowInputs,
    ) -> Result<Context, Fault> {
        let mut violations = Violations::new();
        let location = self.places.locate(request.facts.as_deref(), &mut violations);
        let name = &request.platform;
        let provider = Provider::ALL.into_iter().find(|known| known.platform() == name);
        if provider.is_none() {
            let known = Provider::ALL.map(Provider::platform).join(", ");
            let text = format_args!("this version of the model places on {known} only");
            violations.add("platform", text);
        }
        let listed = self.needs_expected || request.candidates.is_some();
        let list = (listed && violations.is_empty()).then(|| {
            let catalogue = &self.places.catalogue;
            lists::placements(catalogue, facts, &mut request, &mut violations)
        });
        let (Some(location), Some(provider)) = (location, provider) else {
            return Err(violations.into_fault());
        };
        let mut actions = self.actions(provider);
        let mut expected = [nothing_expected(facts); tactical::ACTIONS];
        if let Some(list) = list {
            actions.list.allowed = vec![false; tactical::ACTIONS];
            for index in 0..list.placements.len() {
                let wanted = list.placement(index);
                let known = (0..tactical::ACTIONS).find(|a| actions.placement(*a) == wanted);
                let Some(action) = known else { continue };
                expected[action] = list.list.candidates[index].expected_objective as f32;
                actions.list.allowed[action] = list.list.allowed[index];
            }
            if violations.is_empty() && !actions.list.allowed.contains(&true) {
                let text = "this version of the model knows none of those that are allowed";
                violations.add("candidates", text);
            }
        }
        if !violations.is_empty() {
            return Err(violations.into_fault());
        }
        let situation =
            Situation { facts, location, provider: Some(provider), expected: &expected };
        self.encoder.encode(&situation, &mut rows.buffers[0]);
        let (platform, explain) = (request.platform, request.explain);
        Ok(Context { platform, placements: actions, explain })
    }

    /// The placements that the logits belong to, all of them allowed.
    fn actions(&self, provider: Provider) -> PlacementList {
        let mut actions = PlacementList::default();
        for action in (0..tactical::ACTIONS).filter_map(Action::from_index) {
            let region = self.places.grid.region(provider, action.area);
            let name = &self.places.catalogue.region(region).name;
            if actions.regions.last() != Some(name) {
                actions.regions.push(name.clone());
            }
            let position = action.area.index() as u32;
            actions.placements.push((position, action.tier.megabytes()));
            actions.list.push(Candidate::default(), true);
        }
        actions
    }
}
