//! The strategic layer: which cloud?

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::FaultKind;
use strata_policy::strategic::{self, Encoder, ProviderMask};
use strata_runtime::Manifest;
use strata_wire::{Fault, Violations, pb, provider_to_pb};
use tonic::{Request, Response, Status, Streaming};
use tracing::Span;

use crate::{
    adapter::{self, Adapter, ModelMismatch},
    engine::Service,
    facts::facts_from_pb,
    frame::framed,
    process::Layer,
    stream::ResultStream,
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

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "strategic.select", otel.kind = "server")
    }
}

framed!(Strategic, SelectFrame, SelectFrameResult, SelectRowResult, select_row_result);

#[tonic::async_trait]
impl pb::strategic_server::Strategic for Service<Strategic> {
    type SelectStreamStream = ResultStream<pb::SelectFrameResult>;

    async fn select(
        &self,
        request: Request<pb::SelectRequest>,
    ) -> Result<Response<pb::SelectResponse>, Status> {
        self.unary(request).await
    }

    async fn select_stream(
        &self,
        request: Request<Streaming<pb::SelectFrame>>,
    ) -> Result<Response<Self::SelectStreamStream>, Status> {
        self.stream(request)
    }
}

impl Layer for Strategic {
    type Server = pb::strategic_server::StrategicServer<Service<Self>>;
    const PORTS: (u16, u16) = (50051, 9051);
    const ABOUT: &'static str = "The strategic layer of Strata: which cloud?";

    fn server(service: Service<Self>, max_message_bytes: usize) -> Self::Server {
        pb::strategic_server::StrategicServer::new(service)
            .max_decoding_message_size(max_message_bytes)
            .max_encoding_message_size(max_message_bytes)
    }
}
