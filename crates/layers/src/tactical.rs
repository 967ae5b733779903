//! The tactical layer: which region, and how much memory?

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{FaultKind, Placement, Provider};
use strata_policy::tactical::{self, ActionMask, Encoder};
use strata_runtime::Manifest;
use strata_wire::{Fault, Violations, pb, placement_to_pb, provider_from_pb};
use tracing::Span;

use crate::{
    adapter::{self, Adapter, ModelMismatch},
    facts::facts_from_pb,
    served::served,
};

/// The tactical layer.
#[derive(Debug)]
pub(crate) struct Tactical {
    encoder: Encoder,
    logits: usize,
    value: usize,
}

/// What of a question is needed to read the logits.
pub(crate) struct Question {
    provider: Provider,
    mask: ActionMask,
    explain: bool,
}

impl Adapter for Tactical {
    const NAME: &'static str = "tactical";
    type Request = pb::PlaceRequest;
    type Response = pb::PlaceResponse;
    type Question = Question;

    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch> {
        let features = adapter::features(manifest, tactical::INPUT, &[])?;
        Ok(Self {
            encoder: Encoder::resolve(features)
                .map_err(|source| ModelMismatch::Features { input: tactical::INPUT, source })?,
            logits: adapter::output(manifest, tactical::LOGITS, tactical::ACTIONS)?,
            value: adapter::output(manifest, tactical::VALUE, 1)?,
        })
    }

    fn read(&self, request: pb::PlaceRequest, input: &mut Vec<f32>) -> Result<Question, Fault> {
        let mut violations = Violations::new();
        let facts = facts_from_pb(request.facts.as_ref(), &mut violations);
        let provider = provider_from_pb(request.provider);
        if provider.is_none() {
            let value = request.provider;
            violations
                .add("provider", format_args!("must be 1 (AWS), 2 (Azure) or 3 (GCP), is {value}"));
        }
        let mask = match request.action_mask {
            None => ActionMask::ALL,
            Some(bits) => {
                ActionMask::from_bits(bits).filter(|mask| !mask.is_empty()).unwrap_or_else(|| {
                    violations.add("action_mask", format_args!("must be 1 to 2^24 - 1, is {bits}"));
                    ActionMask::ALL
                })
            }
        };
        let (facts, provider) = match (facts, provider) {
            (Some(facts), Some(provider)) if violations.is_empty() => (facts, provider),
            _ => return Err(violations.into_fault()),
        };
        self.encoder.encode(&facts, provider, input);
        Ok(Question { provider, mask, explain: request.explain })
    }

    fn answer(
        &self,
        question: &Question,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::PlaceResponse, Fault> {
        let logits = outputs[self.logits];
        let action = tactical::choose(logits, question.mask)
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave no usable logit"))?;
        let placement =
            Placement { provider: question.provider, region: action.region, memory: action.memory };
        let explained = question.explain;
        Ok(pb::PlaceResponse {
            placement: Some(placement_to_pb(placement)),
            logits: if explained { logits.to_vec() } else { Vec::new() },
            value: if explained { outputs[self.value][0] } else { 0.0 },
            inference: Some(inference),
        })
    }

    fn key(request: &pb::PlaceRequest) -> Option<u64> {
        request.function_key
    }

    fn pinned(request: &pb::PlaceRequest) -> u32 {
        request.model_version
    }

    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32> {
        outputs[self.logits].to_vec()
    }

    fn agree(one: &pb::PlaceResponse, other: &pb::PlaceResponse) -> bool {
        one.placement == other.placement
    }

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "tactical.place", otel.kind = "server")
    }
}

served! {
    Tactical: "The tactical layer of Strata: which region, and how much memory?", env "STRATA_TACTICAL", ports 50052 and 9052;
    service tactical_server::{Tactical, TacticalServer};
    unary place(PlaceRequest) -> PlaceResponse;
    stream place_stream(PlaceFrame) -> PlaceFrameResult as PlaceStreamStream;
    rows PlaceRowResult in place_row_result;
}
