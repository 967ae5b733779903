//! The strategic layer: chooses the provider.

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::FaultKind;
use strata_policy::strategic::{self, Encoder, ProviderMask};
use strata_runtime::Manifest;
use strata_wire::{Fault, Selecting, Violations, facts_from_pb, pb, provider_to_pb};
use tracing::Span;

use super::{
    Adapter, RowInputs,
    schema::{self, ModelMismatch},
};

/// The strategic layer.
#[derive(Debug)]
pub(crate) struct Strategic {
    encoder: Encoder,
    q_values: usize,
}

/// The part of a request that decoding the Q-values needs.
pub(crate) struct Context {
    mask: ProviderMask,
    explain: bool,
}

impl Adapter for Strategic {
    type Hop = Selecting;
    type Context = Context;

    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch> {
        let features = schema::features(manifest, strategic::INPUT, &[])?;
        Ok(Self {
            encoder: Encoder::resolve(features)
                .map_err(|source| ModelMismatch::Features { input: strategic::INPUT, source })?,
            q_values: schema::output(manifest, strategic::OUTPUT, strategic::ACTIONS)?,
        })
    }

    fn encode(&self, request: pb::SelectRequest, rows: &mut RowInputs) -> Result<Context, Fault> {
        let mut violations = Violations::new();
        let facts = facts_from_pb(request.facts.as_deref(), &mut violations);
        let mask = match request.provider_mask {
            None => ProviderMask::ALL,
            Some(bits) => {
                ProviderMask::from_bits(bits).filter(|mask| !mask.is_empty()).unwrap_or_else(|| {
                    let most = ProviderMask::ALL.bits();
                    violations.add("provider_mask", format_args!("must be 1 to {most}, is {bits}"));
                    ProviderMask::ALL
                })
            }
        };
        let facts = match facts {
            Some(facts) if violations.is_empty() => facts,
            _ => return Err(violations.into_fault()),
        };
        self.encoder.encode(&facts, &mut rows.buffers[0]);
        Ok(Context { mask, explain: request.explain })
    }

    fn decode(
        &self,
        context: &Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::SelectResponse, Fault> {
        let q_values = outputs[self.q_values];
        let provider = strategic::choose(q_values, context.mask)
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave no usable Q-value"))?;
        Ok(pb::SelectResponse {
            provider: provider_to_pb(provider).into(),
            q_values: if context.explain { q_values.to_vec() } else { Vec::new() },
            inference: Some(inference),
        })
    }

    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32> {
        outputs[self.q_values].to_vec()
    }

    fn agree(one: &pb::SelectResponse, other: &pb::SelectResponse) -> bool {
        one.provider == other.provider
    }

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "strategic.select", otel.kind = "server")
    }
}
