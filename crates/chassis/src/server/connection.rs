//! HTTP/2 connections of the gRPC listener.

use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt};

use super::accept::{Accepted, Acceptor};
use crate::config::GrpcConfig;
use crate::process::BoxError;

/// The protocol's settings.
pub(super) fn http2(config: &GrpcConfig) -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        // gRPC has no use for a date on every answer.
        .auto_date_header(false)
        .initial_stream_window_size(config.stream_window_bytes)
        .initial_connection_window_size(config.connection_window_bytes)
        .adaptive_window(config.adaptive_window)
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_header_list_size(config.max_header_bytes)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    http
}

/// What all connections share.
pub(super) struct Connections {
    pub(super) http: http2::Builder<TokioExecutor>,
    pub(super) first_byte_timeout: Duration,
    pub(super) open: Gauge,
    pub(super) tasks: TaskTracker,
    /// No new connections and calls.
    pub(super) stop: CancellationToken,
    /// No connections.
    pub(super) cut: CancellationToken,
}

impl Connections {
    /// Takes connections until the stop, and serves each in a task of its own.
    pub(super) async fn accept<S, B>(self, acceptor: Acceptor, service: S)
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = acceptor.accept() => accepted,
            };
            self.tasks.spawn(self.serve(accepted, service.clone()));
        }
    }

    fn serve<S, B>(
        &self,
        accepted: Accepted,
        service: S,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let Self { http, first_byte_timeout, open, stop, cut, .. } = self;
        let (http, timeout, stop, cut) =
            (http.clone(), *first_byte_timeout, stop.clone(), cut.clone());
        let open = Open::new(open.clone());
        async move {
            let Accepted { stream, local, remote, place } = accepted;
            let _held = (open, place);
            let connect = TcpConnectInfo { local_addr: local, remote_addr: Some(remote) };
            let service = service.map_request(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                // Where tonic's `Request::remote_addr` looks.
                request.extensions_mut().insert(connect.clone());
                request
            });
            let mut first_byte = [0];
            let spoke = tokio::select! {
                () = cut.cancelled() => return,
                () = stop.cancelled() => return,
                spoke = tokio::time::timeout(timeout, stream.peek(&mut first_byte)) => spoke,
            };
            if !matches!(spoke, Ok(Ok(1))) {
                tracing::debug!(%remote, "connection closed, it never sent anything");
                return;
            }
            let service = TowerToHyperService::new(service);
            let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
            let outcome = tokio::select! {
                () = cut.cancelled() => return,
                outcome = connection.as_mut() => outcome,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        () = cut.cancelled() => return,
                        outcome = connection => outcome,
                    }
                }
            };
            if let Err(error) = outcome {
                tracing::debug!(%remote, %error, "connection ended by an error");
            }
        }
    }
}

/// Counts a connection as long as it lives.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
