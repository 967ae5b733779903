//! The strategic layer: which cloud?

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::FaultKind;
use strata_policy::strategic::{self, Encoder, ProviderMask};
use strata_runtime::Manifest;
use strata_wire::{Fault, Violations, pb, provider_to_pb};
use tracing::Span;

use crate::{
    adapter::{self, Adapter, ModelMismatch},
    facts::facts_from_pb,
    served::served,
};

/// The strategic layer.
#[derive(Debug)]
pub(crate) struct Strategic {
    encoder: Encoder,
    q_values: usize,
}

/// What of a question is needed to read the Q-values.
pub(crate) struct Question {
    mask: ProviderMask,
    explain: bool,
}

impl Adapter for Strategic {
    const NAME: &'static str = "strategic";
    type Request = pb::SelectRequest;
    type Response = pb::SelectResponse;
    type Question = Question;

    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch> {
        let features = adapter::features(manifest, strategic::INPUT, &[])?;
        Ok(Self {
            encoder: Encoder::resolve(features)
                .map_err(|source| ModelMismatch::Features { input: strategic::INPUT, source })?,
            q_values: adapter::output(manifest, strategic::OUTPUT, strategic::ACTIONS)?,
        })
    }

    fn read(&self, request: pb::SelectRequest, input: &mut Vec<f32>) -> Result<Question, Fault> {
        let mut violations = Violations::new();
        let facts = facts_from_pb(request.facts.as_ref(), &mut violations);
        let mask = match request.provider_mask {
            None => ProviderMask::ALL,
            Some(bits) => {
                ProviderMask::from_bits(bits).filter(|mask| !mask.is_empty()).unwrap_or_else(|| {
                    violations.add("provider_mask", format_args!("must be 1 to 7, is {bits}"));
                    ProviderMask::ALL
                })
            }
        };
        let facts = match facts {
            Some(facts) if violations.is_empty() => facts,
            _ => return Err(violations.into_fault()),
        };
        self.encoder.encode(&facts, input);
        Ok(Question { mask, explain: request.explain })
    }

    fn answer(
        &self,
        question: &Question,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::SelectResponse, Fault> {
        let q_values = outputs[self.q_values];
        let provider = strategic::choose(q_values, question.mask)
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave no usable Q-value"))?;
        Ok(pb::SelectResponse {
            provider: provider_to_pb(provider).into(),
            q_values: if question.explain { q_values.to_vec() } else { Vec::new() },
            inference: Some(inference),
        })
    }

    fn key(request: &pb::SelectRequest) -> Option<u64> {
        request.function_key
    }

    fn pinned(request: &pb::SelectRequest) -> u32 {
        request.model_version
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

served! {
    Strategic: "The strategic layer of Strata: which cloud?", env "STRATA_STRATEGIC", ports 50051 and 9051;
    service strategic_server::{Strategic, StrategicServer};
    unary select(SelectRequest) -> SelectResponse;
    stream select_stream(SelectFrame) -> SelectFrameResult as SelectStreamStream;
    rows SelectRowResult in select_row_result;
}
