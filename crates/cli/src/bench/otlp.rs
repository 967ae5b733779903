//! A collector of traces that drops them: what tracing costs a service, without what a collector costs.

use std::net::Ipv4Addr;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

/// It runs in this process until this is dropped.
pub(crate) struct Sink {
    endpoint: String,
    _server: AbortOnDropHandle<()>,
}

impl Sink {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("the sink of traces cannot listen")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Discard))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move {
            // Exporters count what they cannot deliver; it does not stop them.
            let _ = server.await;
        });
        Ok(Self { endpoint, _server: AbortOnDropHandle::new(server) })
    }

    /// Where services export to.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

struct Discard;

#[tonic::async_trait]
impl TraceService for Discard {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
