//! From questions to answers: check, encode, run, read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use strata_chassis::{
    Deadline, Drain,
    trace::{self, RemoteContext},
};
use strata_domain::FaultKind;
use strata_runtime::{Batch, InferError, Inference, RowStatus};
use strata_wire::Fault;
use tonic::{Request, Response, Status};
use tracing::Span;

use crate::{
    adapter::Adapter,
    frame::{Row, RowResult},
    runner::{Company, Report, Runner},
};

/// Time allowed for a unary call whose caller set none, and the most a caller may set.
pub(crate) const UNARY_BUDGET: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30));
/// A full queue of small models is worked off within this time.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(20);

/// A layer's service: a cheap handle on its model and on what it counts.
pub(crate) struct Service<A>(Arc<Parts<A>>);

// Derived, it would ask for an adapter that can be cloned.
impl<A> Clone for Service<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What a service is made of.
pub(crate) struct Parts<A> {
    pub(crate) adapter: A,
    pub(crate) runner: Runner,
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
        Self(Arc::new(parts))
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// Answers a unary call.
    pub(crate) async fn unary(
        &self,
        request: Request<A::Request>,
    ) -> Result<Response<A::Response>, Status> {
        let (default, cap) = UNARY_BUDGET;
        let deadline = Deadline::of(&request, default, cap)?;
        let span = match trace::enabled() {
            true => span_under::<A>(&RemoteContext::from_metadata(request.metadata())),
            false => Span::none(),
        };
        let asked =
            Asked { request: Some(request.into_inner()), deadline: Some(deadline.at), span };
        match self.answer(vec![asked], Company::Others).await.pop() {
            Some(result) => result.map(Response::new).map_err(Status::from),
            None => Err(Status::internal("the question was lost")),
        }
    }

    /// Answers rows, in their order. Bad rows cost the others nothing.
    pub(crate) async fn answer(
        &self,
        asked: Vec<Asked<A::Request>>,
        company: Company,
    ) -> Vec<RowResult<A>> {
        let arrived = Instant::now();
        let mut input = Vec::new();
        let mut deadlines = Vec::with_capacity(asked.len());
        let read: Vec<_> = asked
            .into_iter()
            .map(|Asked { request, deadline, span }| {
                let question = request
                    .ok_or_else(missing_request)
                    .and_then(|request| self.0.adapter.read(request, &mut input));
                if question.is_ok() {
                    deadlines.push(deadline);
                }
                (question, span)
            })
            .collect();
        let rows = deadlines.len();
        let inference = match rows {
            0 => None,
            _ => {
                let batch = Batch { rows, inputs: vec![input], deadlines };
                Some(self.0.runner.run(batch, company).await)
            }
        };
        let run = match inference {
            None => Err(Fault::new(FaultKind::Internal, "nothing was run")),
            Some(Ok(inference)) => {
                let report = self.0.runner.report(&inference, arrived);
                Ok(Run { inference, report })
            }
            Some(Err(error)) => Err(fault_of(&error)),
        };
        let mut row = 0;
        read.into_iter()
            .map(|(question, span)| {
                let result = question.and_then(|question| {
                    let run = run.as_ref().map_err(Clone::clone)?;
                    row += 1;
                    run.report.annotate(A::NAME, &span);
                    let outputs = run.row(row - 1)?;
                    self.0.adapter.answer(&question, &outputs, run.report.clone().into())
                });
                if let Err(fault) = &result {
                    trace::fail(&span, &fault.message);
                }
                self.0.runner.metrics().answered(result.as_ref().err().map(|fault| fault.kind));
                result
            })
            .collect()
    }
}

/// An inference, and what is told of it.
struct Run {
    inference: Inference,
    report: Report,
}

impl Run {
    /// The outputs of one row.
    fn row(&self, row: usize) -> Result<Vec<&[f32]>, Fault> {
        let rows = self.inference.rows.len();
        match self.inference.rows.get(row) {
            Some(RowStatus::Done) => {}
            Some(RowStatus::Expired) => return Err(expired()),
            Some(RowStatus::NonFinite) => {
                let message = "the model gave a number that is not finite";
                return Err(Fault::new(FaultKind::Internal, message));
            }
            None => return Err(Fault::new(FaultKind::Internal, "the model gave too few rows")),
        }
        let outputs = self.inference.outputs.iter().map(|output| {
            let width = output.len() / rows;
            &output[row * width..(row + 1) * width]
        });
        Ok(outputs.collect())
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
        InferError::Stopped => Fault::new(FaultKind::Unavailable, "the layer is shutting down"),
        _ => {
            tracing::error!(error = message, "inference failed");
            Fault::new(FaultKind::Internal, message)
        }
    }
}
