//! The tactical layer: chooses the region and the memory on a platform.

use std::sync::Arc;

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{Catalogue, FaultKind, FunctionFacts, PlacementList};
use strata_policy::{
    candidates::{LOGITS, VALUE},
    research::{
        Action, Area, Provider, Situation, Tier,
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
    choices: Choices,
    explain: bool,
}

/// The placements that logits belong to.
enum Choices {
    /// Those of the research framework on a provider, by action, and whether each may be chosen.
    Actions(Provider, [bool; tactical::ACTIONS]),
    /// Those that are listed.
    Listed(PlacementList),
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
                let placements = lists::placements(
                    catalogue,
                    &facts,
                    (&mut request, scorer.needs()),
                    &mut violations,
                );
                if !violations.is_empty() {
                    return Err(violations.into_fault());
                }
                scorer.encode(&facts, &placements.list, rows);
                let (platform, explain) = (request.platform, request.explain);
                Ok(Context { platform, choices: Choices::Listed(placements), explain })
            }
        }
    }

    fn decode(
        &self,
        context: &Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::PlaceResponse, Fault> {
        let Context { platform, choices, explain } = context;
        let chosen = match (&self.model, choices) {
            (Model::Research(research), Choices::Actions(provider, allowed)) => {
                let allowed = ActionMask::of(|action| allowed[action]);
                let action = tactical::choose(outputs[research.logits], allowed);
                action.map(|action| research.placement(*provider, action))
            }
            (Model::Scoring(scorer), Choices::Listed(list)) => {
                let chosen = scorer.choose(outputs, &list.list.allowed);
                chosen.and_then(|index| list.placement(index))
            }
            // A row is decoded by the adapter that encoded it.
            _ => None,
        };
        let (region, memory_mb) = chosen
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
            labels: if *explain { self.labels(choices) } else { Vec::new() },
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

impl Tactical {
    /// The names of the placements that logits belong to.
    fn labels(&self, choices: &Choices) -> Vec<String> {
        let label = |(region, memory_mb): (&str, u32)| format!("{region}/{memory_mb}");
        match (choices, &self.model) {
            (Choices::Listed(list), _) => {
                let listed = (0..list.placements.len()).filter_map(|index| list.placement(index));
                listed.map(label).collect()
            }
            (Choices::Actions(provider, _), Model::Research(research)) => {
                let actions = (0..tactical::ACTIONS).filter_map(Action::from_index);
                actions.map(|action| label(research.placement(*provider, action))).collect()
            }
            (Choices::Actions(..), Model::Scoring(_)) => Vec::new(),
        }
    }
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
            let asked = (&mut request, usize::from(self.needs_expected));
            lists::placements(catalogue, facts, asked, &mut violations)
        });
        let (Some(location), Some(provider)) = (location, provider) else {
            return Err(violations.into_fault());
        };
        let mut expected = [nothing_expected(facts); tactical::ACTIONS];
        let mut allowed = [list.is_none(); tactical::ACTIONS];
        if let Some(list) = list {
            let areas: Vec<Option<Area>> =
                list.regions.iter().map(|name| self.area_of(provider, name)).collect();
            for (index, &(region, memory_mb)) in list.placements.iter().enumerate() {
                let area = areas.get(region as usize).copied().flatten();
                let Some((area, tier)) = area.zip(Tier::from_megabytes(memory_mb)) else {
                    continue;
                };
                let action = Action { area, tier }.index();
                if let Some(objective) = list.list.expected_objective(index) {
                    expected[action] = objective;
                }
                allowed[action] = list.list.allowed[index];
            }
            if violations.is_empty() && !allowed.contains(&true) {
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
        Ok(Context { platform, choices: Choices::Actions(provider, allowed), explain })
    }

    /// The name of the region, and the memory in MB, that an action on a provider stands for.
    fn placement(&self, provider: Provider, Action { area, tier }: Action) -> (&str, u32) {
        let region = self.places.grid.region(provider, area);
        (&self.places.catalogue.region(region).name, tier.megabytes())
    }

    /// The area of a provider's region, by its name.
    fn area_of(&self, provider: Provider, region: &str) -> Option<Area> {
        let named = |area: &Area| {
            let id = self.places.grid.region(provider, *area);
            self.places.catalogue.region(id).name == region
        };
        Area::ALL.into_iter().find(named)
    }
}
