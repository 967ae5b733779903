//! Counts and times the calls of the gRPC server.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use http::Request;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};
use tonic::{Code, Status, body::Body};

use super::watch::{Middleware, Step, Watch};
use crate::{
    metrics::{Metrics, definitions as def},
    server::methods::MethodTable,
};

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

/// The series of all methods the server has. Calls of other paths count as `unknown`, so that
/// callers cannot create series.
#[derive(Debug)]
pub(crate) struct RpcMetrics {
    methods: HashMap<String, Arc<Series>>,
    unknown: Arc<Series>,
}

/// The number of status codes of gRPC, `OK` to `UNAUTHENTICATED`.
const CODES: usize = 17;

/// The series of one method, looked up once so that a call looks up no labels.
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
pub(super) struct Call {
    series: Arc<Series>,
    arrived: Instant,
    code: Option<Code>,
}

impl Middleware for Arc<RpcMetrics> {
    type Watch = Call;

    fn begin(&self, request: &mut Request<Body>) -> Result<Call, Status> {
        let series = self.methods.get(request.uri().path()).unwrap_or(&self.unknown);
        series.started.inc();
        Ok(Call { series: Arc::clone(series), arrived: Instant::now(), code: None })
    }
}

impl Watch for Call {
    fn poll<T: Step>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Poll<T>, Status> {
        let polled = poll(cx);
        if let Poll::Ready(step) = &polled
            && let Some(status) = step.status_headers().and_then(|h| h.get("grpc-status"))
        {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
        Ok(polled)
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
