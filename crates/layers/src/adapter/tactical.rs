//! The tactical layer: chooses the region and the memory.

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{FaultKind, Placement, Provider};
use strata_policy::tactical::{self, ActionMask, Encoder};
use strata_runtime::Manifest;
use strata_wire::{
    Fault, Placing, Violations, facts_from_pb, pb, placement_to_pb, required_provider_from_pb,
};
use tracing::Span;

use super::{
    Adapter, RowInputs,
    schema::{self, ModelMismatch},
};

/// The tactical layer.
#[derive(Debug)]
pub(crate) struct Tactical {
    encoder: Encoder,
    logits: usize,
    value: usize,
}

/// The part of a request that decoding the logits needs.
pub(crate) struct Context {
    provider: Provider,
    mask: ActionMask,
    explain: bool,
}

impl Adapter for Tactical {
    type Hop = Placing;
    type Context = Context;

    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch> {
        let features = schema::features(manifest, tactical::INPUT, &[])?;
        Ok(Self {
            encoder: Encoder::resolve(features)
                .map_err(|source| ModelMismatch::Features { input: tactical::INPUT, source })?,
            logits: schema::output(manifest, tactical::LOGITS, tactical::ACTIONS)?,
            value: schema::output(manifest, tactical::VALUE, 1)?,
        })
    }

    fn encode(&self, request: pb::PlaceRequest, rows: &mut RowInputs) -> Result<Context, Fault> {
        let mut violations = Violations::new();
        let facts = facts_from_pb(request.facts.as_deref(), &mut violations);
        let provider = required_provider_from_pb(request.provider, "provider", &mut violations);
        let mask = match request.action_mask {
            None => ActionMask::ALL,
            Some(bits) => {
                ActionMask::from_bits(bits).filter(|mask| !mask.is_empty()).unwrap_or_else(|| {
                    let actions = tactical::ACTIONS;
                    violations.add(
                        "action_mask",
                        format_args!("must be 1 to 2^{actions} - 1, is {bits}"),
                    );
                    ActionMask::ALL
                })
            }
        };
        let (facts, provider) = match (facts, provider) {
            (Some(facts), Some(provider)) if violations.is_empty() => (facts, provider),
            _ => return Err(violations.into_fault()),
        };
        self.encoder.encode(&facts, provider, &mut rows.buffers[0]);
        Ok(Context { provider, mask, explain: request.explain })
    }

    fn decode(
        &self,
        context: &Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::PlaceResponse, Fault> {
        let logits = outputs[self.logits];
        let action = tactical::choose(logits, context.mask)
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave no usable logit"))?;
        let placement =
            Placement { provider: context.provider, region: action.region, memory: action.memory };
        let explained = context.explain;
        Ok(pb::PlaceResponse {
            placement: Some(placement_to_pb(placement)),
            logits: if explained { logits.to_vec() } else { Vec::new() },
            value: if explained { outputs[self.value][0] } else { 0.0 },
            inference: Some(inference),
        })
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
