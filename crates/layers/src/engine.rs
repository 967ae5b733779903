//! From questions to answers: check, encode, run, read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use strata_chassis::{
    Deadline, Drain, InFlight, Peer,
    trace::{self, RemoteContext},
};
use strata_domain::FaultKind;
use strata_runtime::InferError;
use strata_wire::Fault;
use tonic::{Request, Response, Status};
use tracing::Span;

use crate::{
    adapter::Adapter,
    frame::{Row, RowResult},
    metrics::LayerMetrics,
    rows::Sorted,
    runner::Company,
    versions::{Catalog, observe},
};

/// Time allowed for a unary call whose caller set none, and the most a caller may set.
pub(crate) const UNARY_BUDGET: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30));
/// A full queue of small models is worked off within this time.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(20);

/// A layer's service: a cheap handle on its models and on what it counts.
pub(crate) struct Service<A>(Arc<Inner<A>>);

struct Inner<A> {
    parts: Parts<A>,
    /// Calls of [`Service::answer`] under way.
    answering: InFlight,
}

// Derived, it would ask for an adapter that can be cloned.
impl<A> Clone for Service<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What a service is made of.
pub(crate) struct Parts<A> {
    pub(crate) catalog: Arc<Catalog<A>>,
    pub(crate) metrics: LayerMetrics,
    pub(crate) drain: Drain,
}

/// A question, when it must be answered, and the span it is answered in.
pub(crate) struct Asked<Q> {
    request: Option<Q>,
    deadline: Option<Instant>,
    span: Span,
}

impl<Q> Asked<Q> {
    /// A question of the same process, at that place of a trace.
    pub(crate) fn here<A: Adapter<Request = Q>>(
        request: Q,
        deadline: Instant,
        (traceparent, tracestate): (&str, &str),
    ) -> Self {
        let span = span_at::<A>(traceparent, tracestate);
        Self { request: Some(request), deadline: Some(deadline), span }
    }

    /// A row of a frame that arrived at `arrived`.
    pub(crate) fn from_row<A: Adapter<Request = Q>>(row: Row<Q>, arrived: Instant) -> Self {
        let span = span_at::<A>(&row.traceparent, &row.tracestate);
        let deadline = match row.budget_us {
            0 => None,
            budget => Some(arrived + Duration::from_micros(budget.into())),
        };
        Self { request: row.request, deadline, span }
    }
}

/// The span of a question at that place of a trace, as W3C's headers write it.
fn span_at<A: Adapter>(traceparent: &str, tracestate: &str) -> Span {
    if traceparent.is_empty() || !trace::enabled() {
        return Span::none();
    }
    let place = RemoteContext::from_pair(traceparent, tracestate);
    // Malformed is not traced: a trace of its own would belong to nobody.
    place.trace_id().map_or(Span::none(), |_| span_under::<A>(&place))
}

fn span_under<A: Adapter>(parent: &RemoteContext) -> Span {
    let span = A::span();
    trace::set_parent(&span, parent);
    span
}

impl<A: Adapter> Service<A> {
    pub(crate) fn new(parts: Parts<A>) -> Self {
        Self(Arc::new(Inner { parts, answering: InFlight::default() }))
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.0.parts.drain
    }

    /// Answers a unary call.
    pub(crate) async fn unary(
        &self,
        request: Request<A::Request>,
    ) -> Result<Response<A::Response>, Status> {
        let (default, cap) = UNARY_BUDGET;
        let company = Company::of(&Peer::of(&request));
        let deadline = Deadline::of(&request, default, cap)?;
        let span = match trace::enabled() {
            true => span_under::<A>(&RemoteContext::from_metadata(request.metadata())),
            false => Span::none(),
        };
        let asked =
            Asked { request: Some(request.into_inner()), deadline: Some(deadline.at), span };
        let _answering = self.0.answering.begin();
        // Calls that came together are all counted before it is decided whether this one is alone.
        tokio::task::yield_now().await;
        match self.answer_counted(vec![asked], company).await.pop() {
            Some(result) => result.map(Response::new).map_err(Status::from),
            None => Err(Status::internal("the question was lost")),
        }
    }

    /// Answers rows, in their order. Bad rows cost the others nothing. Each is bound to a version when it is read; what is changed
    /// afterwards is for rows that come later. Rows that come while no others are in work are run where they are.
    pub(crate) async fn answer(
        &self,
        asked: Vec<Asked<A::Request>>,
        company: Company,
    ) -> Vec<RowResult<A>> {
        let _answering = self.0.answering.begin();
        self.answer_counted(asked, company).await
    }

    /// The same for rows that are counted already.
    async fn answer_counted(
        &self,
        asked: Vec<Asked<A::Request>>,
        company: Company,
    ) -> Vec<RowResult<A>> {
        let arrived = Instant::now();
        let company = if self.0.answering.is_one() { company.alone() } else { company };
        let Parts { catalog, metrics, .. } = &self.0.parts;
        let table = catalog.table();
        let mut sorted = Sorted::by(&table);
        let read: Vec<_> = asked
            .into_iter()
            .map(|Asked { request, deadline, span }| {
                let request = request.ok_or_else(missing_request);
                (request.and_then(|request| sorted.read(request, deadline)), span)
            })
            .collect();
        let runs = sorted.run(arrived, company).await;
        let mut witnesses = Vec::new();
        let results = read
            .into_iter()
            .map(|(seat, span)| {
                let answered = seat.and_then(|seat| runs.answer(seat, &span));
                let result = answered.map(|(answer, witness)| {
                    witnesses.extend(witness);
                    answer
                });
                if let Err(fault) = &result {
                    trace::fail(&span, &fault.message);
                }
                metrics.answered(result.as_ref().err().map(|fault| fault.kind));
                result
            })
            .collect();
        observe(table.shadows(), witnesses);
        results
    }
}

fn missing_request() -> Fault {
    let mut violations = strata_wire::Violations::new();
    violations.add("request", "must be given");
    violations.into_fault()
}

pub(crate) fn expired() -> Fault {
    Fault::new(FaultKind::DeadlineExceeded, "the time allowed was spent before the model ran")
}

pub(crate) fn fault_of(error: &InferError) -> Fault {
    let message = error.to_string();
    match error {
        InferError::QueueFull { .. } | InferError::TooManyRows { .. } => {
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        }
        InferError::CallerFull { .. } => {
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        }
        InferError::WouldBeLate { retry_after, .. } => {
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(*retry_after)
        }
        InferError::Stopped => Fault::new(FaultKind::Unavailable, "the layer is shutting down"),
        _ => {
            tracing::error!(error = message, "inference failed");
            Fault::new(FaultKind::Internal, message)
        }
    }
}
