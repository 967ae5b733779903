//! The strategic layer: chooses the platform.

use std::sync::Arc;

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{Catalogue, FaultKind, FunctionFacts, PlatformList};
use strata_policy::{
    candidates::Q_VALUES,
    research::{
        Provider, Situation,
        strategic::{self, Encoder, ProviderMask},
    },
};
use strata_runtime::Manifest;
use strata_wire::{Fault, Selecting, Violations, facts_from_pb, pb};
use tracing::Span;

use super::{
    Adapter, RowInputs, lists,
    research::{ResearchPlaces, nothing_expected},
    schema::{self, ModelMismatch},
    scorer::Scorer,
};

/// The strategic layer.
#[derive(Debug)]
pub(crate) struct Strategic {
    catalogue: Arc<Catalogue>,
    model: Model,
}

#[derive(Debug)]
enum Model {
    /// Versions 1 and 2: a Q-value for each provider of the research framework.
    Research(Box<Research>),
    /// Version 3: a Q-value for each platform that is listed.
    Scoring(Scorer),
}

#[derive(Debug)]
struct Research {
    places: ResearchPlaces,
    encoder: Encoder,
    needs_expected: bool,
    q_values: usize,
}

/// The part of a request that decoding the Q-values needs.
pub(crate) struct Context {
    /// The platforms that the Q-values belong to, and whether each may be chosen. A model of the
    /// research framework knows its platforms; then the list is empty.
    platforms: Vec<String>,
    allowed: Vec<bool>,
    explain: bool,
}

impl Adapter for Strategic {
    type Hop = Selecting;
    type Context = Context;

    fn for_model(manifest: &Manifest, catalogue: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        let model = match manifest.axis {
            Some(_) => Model::Scoring(Scorer::for_model(manifest, Q_VALUES)?),
            None => Model::Research(Box::new(Research::for_model(manifest, catalogue)?)),
        };
        Ok(Self { catalogue: Arc::clone(catalogue), model })
    }

    fn encode(
        &self,
        mut request: pb::SelectRequest,
        rows: &mut RowInputs,
    ) -> Result<Context, Fault> {
        let mut violations = Violations::new();
        let facts = facts_from_pb(request.facts.as_deref(), &mut violations);
        let Some(facts) = facts.filter(|_| violations.is_empty()) else {
            return Err(violations.into_fault());
        };
        match &self.model {
            Model::Research(research) => research.encode(&facts, request, rows),
            Model::Scoring(scorer) => {
                let catalogue = &self.catalogue;
                let platforms = lists::platforms(
                    catalogue,
                    &facts,
                    (&mut request, scorer.needs()),
                    &mut violations,
                );
                if !violations.is_empty() {
                    return Err(violations.into_fault());
                }
                scorer.encode(&facts, &platforms.list, rows);
                let PlatformList { platforms, list } = platforms;
                Ok(Context { platforms, allowed: list.allowed, explain: request.explain })
            }
        }
    }

    fn decode(
        &self,
        context: &Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::SelectResponse, Fault> {
        let chosen = match &self.model {
            Model::Research(research) => {
                let allowed = ProviderMask::of(|provider| context.allowed[provider]);
                strategic::choose(outputs[research.q_values], allowed).map(Provider::index)
            }
            Model::Scoring(scorer) => scorer.choose(outputs, &context.allowed),
        };
        let platforms = self.platforms(context);
        let platform = chosen
            .and_then(|index| platforms.get(index).copied())
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave no usable Q-value"))?;
        let owned = |platforms: &[&str]| platforms.iter().map(|name| (*name).to_owned()).collect();
        let explained = context.explain;
        Ok(pb::SelectResponse {
            platform: platform.to_owned(),
            q_values: if explained { self.scores(outputs) } else { Vec::new() },
            labels: if explained { owned(&platforms) } else { Vec::new() },
            inference: Some(inference),
        })
    }

    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32> {
        match &self.model {
            Model::Research(research) => outputs[research.q_values].to_vec(),
            Model::Scoring(scorer) => scorer.scores(outputs).to_vec(),
        }
    }

    fn agree(one: &pb::SelectResponse, other: &pb::SelectResponse) -> bool {
        one.platform == other.platform
    }

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "strategic.select", otel.kind = "server")
    }
}

impl Strategic {
    /// The platforms that Q-values belong to.
    fn platforms<'c>(&self, context: &'c Context) -> Vec<&'c str> {
        match &self.model {
            Model::Research(_) => Provider::ALL.map(Provider::platform).to_vec(),
            Model::Scoring(_) => context.platforms.iter().map(String::as_str).collect(),
        }
    }
}

impl Research {
    fn for_model(manifest: &Manifest, catalogue: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        let features = schema::features(manifest, strategic::INPUT, &[])?;
        let encoder = Encoder::resolve(features)
            .map_err(|source| ModelMismatch::Features { input: strategic::INPUT, source })?;
        Ok(Self {
            places: ResearchPlaces::of(catalogue)?,
            needs_expected: encoder.needs_expected(),
            encoder,
            q_values: schema::output(manifest, strategic::OUTPUT, strategic::ACTIONS)?,
        })
    }

    fn encode(
        &self,
        facts: &FunctionFacts,
        mut request: pb::SelectRequest,
        rows: &mut RowInputs,
    ) -> Result<Context, Fault> {
        let mut violations = Violations::new();
        let location = self.places.locate(request.facts.as_deref(), &mut violations);
        let listed = self.needs_expected || request.candidates.is_some();
        let list = (listed && violations.is_empty()).then(|| {
            let catalogue = &self.places.catalogue;
            let asked = (&mut request, usize::from(self.needs_expected));
            lists::platforms(catalogue, facts, asked, &mut violations)
        });
        let mut expected = [nothing_expected(facts); strategic::ACTIONS];
        let mut allowed = [list.is_none(); strategic::ACTIONS];
        if let Some(PlatformList { platforms, list }) = list {
            for (index, name) in platforms.iter().enumerate() {
                let known = Provider::ALL.into_iter().find(|known| known.platform() == name);
                let Some(provider) = known.map(Provider::index) else { continue };
                if let Some(objective) = list.expected_objective(index) {
                    expected[provider] = objective;
                }
                allowed[provider] = list.allowed[index];
            }
            if violations.is_empty() && !allowed.contains(&true) {
                let known = Provider::ALL.map(Provider::platform).join(", ");
                let text = format_args!("this version of the model chooses among {known} only");
                violations.add("candidates.platforms", text);
            }
        }
        let Some(location) = location.filter(|_| violations.is_empty()) else {
            return Err(violations.into_fault());
        };
        let situation = Situation { facts, location, provider: None, expected: &expected };
        self.encoder.encode(&situation, &mut rows.buffers[0]);
        Ok(Context { platforms: Vec::new(), allowed: allowed.to_vec(), explain: request.explain })
    }
}
