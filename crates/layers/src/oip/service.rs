//! The generated service.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use strata_chassis::{
    Deadline, Peer,
    trace::{self, RemoteContext, TRACE_TARGET},
};
use strata_domain::FaultKind;
use strata_runtime::{Input, Manifest};
use strata_wire::{
    Fault,
    oip::{
        self as pb,
        grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer},
    },
};
use tonic::{
    Request, Response, Status, Streaming, body::Body, metadata::MetadataMap, server::NamedService,
};
use tower::Service;
use tracing::Span;

use super::{Oip, infer::Call, metadata, statistics, stream::Answers};
use crate::{models::Runner, serving::UNARY_BUDGET};

/// Room in a request for everything but values: names, shapes, parameters. The room also admits a
/// batch that is slightly too large, so that its caller learns the largest size from the answer.
const ENVELOPE_BYTES: usize = 64 << 10;
/// Maximum number of bytes of a value on the wire: an FP64 in an unpacked list.
const VALUE_BYTES: usize = 9;

/// The server of the protocol for one layer.
#[derive(Clone)]
pub(crate) struct Bounded {
    oip: Oip,
    max_message_bytes: usize,
}

/// Builds the server. The largest batch of a loaded version bounds the size of a request: a message
/// of many tiny tensors grows many times over when it is decoded. The largest batch of a version
/// with an axis may have gigabytes, and `max_message_bytes` is the bound then.
pub(crate) fn server(oip: Oip, max_message_bytes: usize) -> Bounded {
    Bounded { oip, max_message_bytes }
}

impl Bounded {
    /// The largest request in bytes.
    pub(super) fn largest(&self) -> usize {
        let values = |runner: &Runner| {
            let Manifest { inputs, axis, .. } = runner.model().manifest();
            let most = axis.as_ref().map_or(1, |axis| axis.max);
            let values = inputs.iter().map(|Input { shape, .. }| match shape.axis() {
                Some(_) => shape.row_len().saturating_mul(most),
                None => shape.row_len(),
            });
            let row = values.fold(0, usize::saturating_add);
            row.saturating_mul(runner.model().max_batch())
        };
        let values = self.oip.0.runners.loaded().iter().map(values).max().unwrap_or(0);
        let bytes = values.saturating_mul(VALUE_BYTES).saturating_add(ENVELOPE_BYTES);
        bytes.min(self.max_message_bytes)
    }
}

impl NamedService for Bounded {
    const NAME: &'static str = GrpcInferenceServiceServer::<Oip>::NAME;
}

impl Service<http::Request<Body>> for Bounded {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <GrpcInferenceServiceServer<Oip> as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        GrpcInferenceServiceServer::new(self.oip.clone())
            .max_decoding_message_size(self.largest())
            .max_encoding_message_size(self.max_message_bytes)
            .call(request)
    }
}

impl Oip {
    fn is_ready(&self) -> bool {
        !self.0.drain.is_started()
    }

    fn span(metadata: &MetadataMap) -> Span {
        if !trace::enabled() {
            return Span::none();
        }
        let span = tracing::info_span!(target: TRACE_TARGET, "oip.infer", otel.kind = "server");
        trace::set_parent(&span, &RemoteContext::from_metadata(metadata));
        span
    }
}

fn answer<T>(message: T) -> Result<Response<T>, Status> {
    Ok(Response::new(message))
}

#[tonic::async_trait]
impl GrpcInferenceService for Oip {
    type ModelStreamInferStream = Answers;

    async fn server_live(
        &self,
        _: Request<pb::ServerLiveRequest>,
    ) -> Result<Response<pb::ServerLiveResponse>, Status> {
        answer(pb::ServerLiveResponse { live: true })
    }

    async fn server_ready(
        &self,
        _: Request<pb::ServerReadyRequest>,
    ) -> Result<Response<pb::ServerReadyResponse>, Status> {
        answer(pb::ServerReadyResponse { ready: self.is_ready() })
    }

    async fn model_ready(
        &self,
        request: Request<pb::ModelReadyRequest>,
    ) -> Result<Response<pb::ModelReadyResponse>, Status> {
        let request = request.into_inner();
        let ready = match self.served(&request.name, &request.version) {
            Ok(_) => self.is_ready(),
            // Triton returns false for a model it does not know.
            Err(fault) if fault.kind == FaultKind::NotFound => false,
            Err(fault) => return Err(fault.into()),
        };
        answer(pb::ModelReadyResponse { ready })
    }

    async fn server_metadata(
        &self,
        _: Request<pb::ServerMetadataRequest>,
    ) -> Result<Response<pb::ServerMetadataResponse>, Status> {
        answer(metadata::server(self.0.layer))
    }

    async fn model_metadata(
        &self,
        request: Request<pb::ModelMetadataRequest>,
    ) -> Result<Response<pb::ModelMetadataResponse>, Status> {
        let request = request.into_inner();
        let runner = self.served(&request.name, &request.version)?;
        answer(metadata::model(runner.model().manifest(), &self.loaded()))
    }

    async fn model_infer(
        &self,
        request: Request<pb::ModelInferRequest>,
    ) -> Result<Response<pb::ModelInferResponse>, Status> {
        let (default, cap) = UNARY_BUDGET;
        let deadline = Deadline::of(&request, default, cap)?;
        let span = Self::span(request.metadata());
        let caller = Peer::of(&request).number();
        let call = Call { caller, deadline: Some(deadline.at), span: &span };
        Ok(self.infer(request.into_inner(), call).await.map(Response::new)?)
    }

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<pb::ModelInferRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let caller = Peer::of(&request).number();
        self.stream(request.into_inner(), caller).map(Response::new)
    }

    async fn model_config(
        &self,
        request: Request<pb::ModelConfigRequest>,
    ) -> Result<Response<pb::ModelConfigResponse>, Status> {
        let request = request.into_inner();
        let runner = self.served(&request.name, &request.version)?;
        let model = runner.model();
        let config = metadata::config(model.manifest(), model.max_batch());
        answer(pb::ModelConfigResponse { config: Some(config) })
    }

    async fn model_statistics(
        &self,
        request: Request<pb::ModelStatisticsRequest>,
    ) -> Result<Response<pb::ModelStatisticsResponse>, Status> {
        let request = request.into_inner();
        let runners = match (request.name.as_str(), request.version.as_str()) {
            ("", _) | (_, "") => {
                if !request.name.is_empty() {
                    self.served(&request.name, "")?;
                }
                self.0.runners.loaded()
            }
            (name, version) => vec![self.served(name, version)?],
        };
        answer(pb::ModelStatisticsResponse {
            model_stats: runners.iter().map(statistics::of).collect(),
        })
    }

    async fn repository_index(
        &self,
        request: Request<pb::RepositoryIndexRequest>,
    ) -> Result<Response<pb::RepositoryIndexResponse>, Status> {
        let (oip, request) = (self.clone(), request.into_inner());
        let index = self.0.files.run(move || oip.index(&request)).await;
        let lost = || Fault::new(FaultKind::Internal, "reading the repository was interrupted");
        Ok(Response::new(index.ok_or_else(lost)??))
    }

    async fn repository_model_load(
        &self,
        request: Request<pb::RepositoryModelLoadRequest>,
    ) -> Result<Response<pb::RepositoryModelLoadResponse>, Status> {
        let pb::RepositoryModelLoadRequest { repository_name, model_name, parameters } =
            request.into_inner();
        self.load(&repository_name, &model_name, &parameters).await?;
        answer(pb::RepositoryModelLoadResponse {})
    }

    async fn repository_model_unload(
        &self,
        request: Request<pb::RepositoryModelUnloadRequest>,
    ) -> Result<Response<pb::RepositoryModelUnloadResponse>, Status> {
        let pb::RepositoryModelUnloadRequest { repository_name, model_name, parameters } =
            request.into_inner();
        self.unload(&repository_name, &model_name, &parameters).await?;
        answer(pb::RepositoryModelUnloadResponse {})
    }
}
