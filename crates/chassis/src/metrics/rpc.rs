//! The tower layer that counts and times calls of the gRPC server.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;
use tower::{Layer, Service};

use super::Metrics;
use super::definitions as def;
use crate::server::MethodTable;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

type Histograms = Family<MethodLabels, Histogram, fn() -> Histogram>;

/// The series of all methods the server has. A path it does not have is counted under `unknown`:
/// callers cannot make series.
#[derive(Debug)]
pub(crate) struct RpcMetrics {
    methods: HashMap<String, Arc<Series>>,
    unknown: Arc<Series>,
}

/// The number of status codes of gRPC, `OK` to `UNAUTHENTICATED`.
const CODES: usize = 17;

/// The series of one method, found once so that a call touches no map of labels.
#[derive(Debug)]
struct Series {
    labels: MethodLabels,
    started: Counter,
    seconds: Histogram,
    handled: Family<CodeLabels, Counter>,
    codes: [OnceLock<Counter>; CODES],
}

impl RpcMetrics {
    /// Registers the metrics, and finds the series of every method in `methods`.
    pub(crate) fn register(metrics: &Metrics, methods: &MethodTable) -> Arc<Self> {
        let started = Family::<MethodLabels, Counter>::default();
        let handled = Family::<CodeLabels, Counter>::default();
        let seconds = Histograms::new_with_constructor(|| Histogram::new(def::SECONDS_BUCKETS));
        metrics.with_registry(|registry| {
            def::RPC_STARTED.register(registry, started.clone());
            def::RPC_HANDLED.register(registry, handled.clone());
            def::RPC_SECONDS.register(registry, seconds.clone());
        });
        let series = |labels: MethodLabels| {
            Arc::new(Series {
                started: started.get_or_create_owned(&labels),
                seconds: seconds.get_or_create_owned(&labels),
                handled: handled.clone(),
                codes: Default::default(),
                labels,
            })
        };
        let unknown = series(MethodLabels {
            grpc_type: "unary",
            grpc_service: "unknown".to_owned(),
            grpc_method: "unknown".to_owned(),
        });
        let methods = methods
            .iter()
            .map(|(path, method)| {
                let labels = MethodLabels {
                    grpc_type: method.kind(),
                    grpc_service: method.service.clone(),
                    grpc_method: method.name.clone(),
                };
                (path.to_owned(), series(labels))
            })
            .collect();
        Arc::new(Self { methods, unknown })
    }

    fn arrival(&self, path: &str) -> Call {
        let series = self.methods.get(path).unwrap_or(&self.unknown);
        series.started.inc();
        Call { series: Arc::clone(series), arrived: Instant::now(), code: None }
    }
}

impl Series {
    fn count(&self, code: Code) {
        let counter = self.codes[code as usize % CODES].get_or_init(|| {
            self.handled.get_or_create_owned(&CodeLabels {
                grpc_type: self.labels.grpc_type,
                grpc_service: self.labels.grpc_service.clone(),
                grpc_method: self.labels.grpc_method.clone(),
                grpc_code: code_name(code),
            })
        });
        counter.inc();
    }
}

/// A call in progress. It is counted when it is dropped, that is when its last frame is out or the
/// caller has left; without a status by then it was cancelled.
#[derive(Debug)]
struct Call {
    series: Arc<Series>,
    arrived: Instant,
    code: Option<Code>,
}

impl Call {
    /// Takes the status from headers or trailers, where there is one.
    fn see(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.series.count(self.code.unwrap_or(Code::Cancelled));
        self.series.seconds.observe(self.arrived.elapsed().as_secs_f64());
    }
}

/// The codes as Go prints them, which is what dashboards select by.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RpcMetricsLayer(pub(crate) Arc<RpcMetrics>);

impl<S> Layer<S> for RpcMetricsLayer {
    type Service = RpcMetricsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RpcMetricsService { inner, metrics: Arc::clone(&self.0) }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RpcMetricsService<S> {
    inner: S,
    metrics: Arc<RpcMetrics>,
}

impl<S, A, B> Service<Request<A>> for RpcMetricsService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<MeteredBody<B>>;
    type Error = S::Error;
    type Future = MeteredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let call = self.metrics.arrival(request.uri().path());
        MeteredFuture { inner: self.inner.call(request), call: Some(call) }
    }
}

pin_project! {
    pub(crate) struct MeteredFuture<F> {
        #[pin]
        inner: F,
        call: Option<Call>,
    }
}

impl<F, B, E> Future for MeteredFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<MeteredBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let mut call = this.call.take();
        if let Some(call) = &mut call {
            call.see(response.headers());
        }
        Poll::Ready(Ok(response.map(|inner| MeteredBody { inner, call })))
    }
}

pin_project! {
    pub(crate) struct MeteredBody<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B: Body<Data = Bytes>> Body for MeteredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(call), Some(trailers)) = (this.call.as_mut(), frame.trailers_ref()) {
                    call.see(trailers);
                }
            }
            Some(Err(_)) | None => drop(this.call.take()),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
