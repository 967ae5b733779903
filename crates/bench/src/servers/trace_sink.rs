//! A collector that drops all traces: tracing is measured without the cost of a collector.

use std::net::Ipv4Addr;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

/// A collector in this process. Dropping it stops it.
pub(crate) struct TraceSink {
    endpoint: String,
    _server: AbortOnDropHandle<()>,
}

impl TraceSink {
    /// Starts the collector on a free port.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("the trace sink cannot listen")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Discard))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move {
            // If it fails, the exporters count the spans they cannot deliver and go on.
            let _ = server.await;
        });
        Ok(Self { endpoint, _server: AbortOnDropHandle::new(server) })
    }

    /// The endpoint to export to.
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
