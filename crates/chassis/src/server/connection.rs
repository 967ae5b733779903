//! HTTP/2 connections of the gRPC listener.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt};

use super::accept::{Accepted, Acceptor};
use super::coalesce::Coalescing;
use super::listener::{Opened, Stream};
use super::methods::MethodTable;
use super::peer::Peer;
use super::unfinished::{Account, Ledger, Watched};
use crate::config::GrpcConfig;
use crate::process::BoxError;

/// Largest HTTP/2 frame that clients may send, bytes: a coordinator's frame of 64 rows is one of these, where the protocol's 16 KiB would make it
/// three or four, each with system calls of its own.
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
pub(super) struct Connections {
    pub(super) http: http2::Builder<TokioExecutor>,
    pub(super) handshake_timeout: Duration,
    pub(super) open: Gauge,
    pub(super) unfinished: Arc<Ledger>,
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
            self.tasks.spawn(self.serve(accepted, service));
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
        let Self { http, handshake_timeout, open, unfinished, methods, stop, cut, .. } = self;
        let (http, timeout, stop, cut) =
            (http.clone(), *handshake_timeout, stop.clone(), cut.clone());
        let open = Open::new(open.clone());
        let (account, methods) = (Arc::new(Account::open(unfinished)), Arc::clone(methods));
        async move {
            let Accepted { opened: Opened { stream, local, remote }, place } = accepted;
            let _held = (open, place);
            let connect = TcpConnectInfo { local_addr: local, remote_addr: remote };
            // A unix socket's peer has no address.
            let remote = remote.map(tracing::field::display);
            let service = service.map_request(move |request: Request<Incoming>| {
                let is_unary =
                    methods.get(request.uri().path()).is_some_and(|method| method.is_unary());
                let watched = |body| Body::new(Watched::new(body, is_unary, Arc::clone(&account)));
                let mut request = request.map(watched);
                // Where tonic's `Request::remote_addr` looks.
                request.extensions_mut().insert(connect.clone());
                request
            });
            let greeted = tokio::select! {
                () = cut.cancelled() => return,
                () = stop.cancelled() => return,
                greeted = tokio::time::timeout(timeout, greeted(stream)) => greeted,
            };
            let stream = match greeted {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(remote, %error, "connection closed before it was HTTP/2");
                    return;
                }
                Err(_) => {
                    tracing::debug!(remote, "connection closed, its HTTP/2 preface never came");
                    return;
                }
            };
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
                tracing::debug!(remote, %error, "connection ended by an error");
            }
        }
    }
}

/// What a client says first: RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The stream, from its start, once the client has sent its whole preface. Pings, which find a
/// client that is gone, start only then.
async fn greeted(
    mut stream: Stream,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    let mut preface = [0; PREFACE.len()];
    let mut read = 0;
    while read < preface.len() {
        let more = stream.read(&mut preface[read..]).await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read += more;
        if preface[..read] != PREFACE[..read] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not an HTTP/2 preface"));
        }
    }
    // Split by their own means, which take no lock.
    let (rest, answers) = match stream {
        Either::Left(stream) => {
            let (rest, answers) = stream.into_split();
            (Either::Left(rest), Either::Left(answers))
        }
        Either::Right(stream) => {
            let (rest, answers) = stream.into_split();
            (Either::Right(rest), Either::Right(answers))
        }
    };
    Ok(join(PREFACE.chain(rest), Coalescing::new(answers)))
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
