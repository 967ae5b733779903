//! HTTP/2 connections of the gRPC listener.

mod accept;
mod coalesce;
mod greeting;
mod incomplete;
mod listener;
mod peer;

use std::{pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{body::Body, transport::server::TcpConnectInfo};
use tower::{Service, ServiceExt};

use self::{
    greeting::greeted,
    incomplete::{Account, Bounded},
    listener::Opened,
};
use super::methods::MethodTable;
use crate::{config::GrpcConfig, report::BoxError};

pub(super) use self::{
    accept::{Accepted, Acceptor},
    incomplete::Ledger,
    listener::Listener,
};

pub use self::peer::{InWork, Peer};

/// Largest HTTP/2 frame that clients may send, bytes: a coordinator's frame of 64 rows is one of
/// these, where the protocol's 16 KiB would make it three or four, each with system calls of its
/// own.
const FRAME: u32 = 128 << 10;

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
        .max_frame_size(FRAME)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    http
}

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) http: http2::Builder<TokioExecutor>,
    pub(super) handshake_timeout: Duration,
    pub(super) open: Gauge,
    pub(super) incomplete: Arc<Ledger>,
    pub(super) methods: Arc<MethodTable>,
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
        for number in 1.. {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = acceptor.accept() => accepted,
            };
            let peer = Peer::new(number);
            let service = service.clone().map_request(move |mut request: Request<Body>| {
                request.extensions_mut().insert(peer.clone());
                request
            });
            self.tasks.spawn(self.clone().serve(accepted, service));
        }
    }

    async fn serve<S, B>(self, accepted: Accepted, service: S)
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let Accepted { opened: Opened { stream, local, remote }, permit } = accepted;
        let _held = (Open::new(self.open.clone()), permit);
        let connect = TcpConnectInfo { local_addr: local, remote_addr: remote };
        // A unix socket's peer has no address.
        let remote = remote.map(tracing::field::display);
        let greeted = tokio::select! {
            () = self.cut.cancelled() => return,
            () = self.stop.cancelled() => return,
            greeted = greeted(stream, self.handshake_timeout) => greeted,
        };
        let stream = match greeted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(remote, %error, "connection closed before it was HTTP/2");
                return;
            }
        };
        let prepare = prepare(connect, Account::open(&self.incomplete), self.methods);
        let service = TowerToHyperService::new(service.map_request(prepare));
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let outcome = tokio::select! {
            () = self.cut.cancelled() => return,
            outcome = connection.as_mut() => outcome,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    () = self.cut.cancelled() => return,
                    outcome = connection => outcome,
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(remote, %error, "connection ended by an error");
        }
    }
}

/// Bounds the body of a connection's requests, and tells tonic where they came from.
fn prepare(
    connect: TcpConnectInfo,
    account: Account,
    methods: Arc<MethodTable>,
) -> impl Fn(Request<Incoming>) -> Request<Body> + Clone {
    let account = Arc::new(account);
    move |request| {
        let is_unary = methods.get(request.uri().path()).is_some_and(|method| method.is_unary());
        let mut request =
            request.map(|body| Body::new(Bounded::new(body, is_unary, Arc::clone(&account))));
        // Where tonic's `Request::remote_addr` looks.
        request.extensions_mut().insert(connect.clone());
        request
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
