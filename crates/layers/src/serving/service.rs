//! Answers requests: checks, encodes, runs and decodes them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use strata_chassis::{
    Deadline, Drain, Flight, InFlight, Peer, settle,
    trace::{self, RemoteContext},
};
use strata_wire::{Row, TracePlace};
use tonic::{Request, Response, Status};
use tracing::Span;

use super::{
    faults::{lost, missing_request},
    rows::RowsByVersion,
};
use crate::{
    adapter::{Adapter, LayerRequest, LayerResponse, RowResult},
    metrics::LayerMetrics,
    models::{Catalog, Source, observe},
};

/// The default time limit of a unary call, and the largest one that a caller may set.
pub(crate) const UNARY_BUDGET: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30));

/// A layer's service: a cheap handle on its versions and metrics.
pub(crate) struct Service<A>(Arc<Inner<A>>);

struct Inner<A> {
    parts: Parts<A>,
    /// Frames and calls in progress.
    answering: InFlight,
}

// A derived implementation would require `A: Clone`.
impl<A> Clone for Service<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The parts of a service.
pub(crate) struct Parts<A> {
    pub(crate) catalog: Arc<Catalog<A>>,
    pub(crate) metrics: LayerMetrics,
    pub(crate) drain: Drain,
}

/// A request with its deadline and span.
pub(crate) struct Asked<A: Adapter> {
    request: Option<LayerRequest<A>>,
    deadline: Option<Instant>,
    span: Span,
}

impl<A: Adapter> Asked<A> {
    /// A request from the same process, with its span context.
    pub(crate) fn here(request: LayerRequest<A>, deadline: Instant, context: &TracePlace) -> Self {
        Self { request: Some(request), deadline: Some(deadline), span: span_at::<A>(context) }
    }

    /// A row of a frame that arrived at `arrived`.
    pub(crate) fn from_row(row: Row<Option<LayerRequest<A>>>, arrived: Instant) -> Self {
        let deadline = match row.budget_us {
            0 => None,
            budget => Some(arrived + Duration::from_micros(budget.into())),
        };
        Self { request: row.request, deadline, span: span_at::<A>(&row.trace) }
    }
}

/// Opens the span of a request under `context`.
fn span_at<A: Adapter>(context: &TracePlace) -> Span {
    if context.traceparent.is_empty() || !trace::enabled() {
        return Span::none();
    }
    let parent = RemoteContext::from_pair(&context.traceparent, &context.tracestate);
    // A malformed context is not traced: a new trace would belong to no caller.
    parent.trace_id().map_or(Span::none(), |_| span_under::<A>(&parent))
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
        call: Request<LayerRequest<A>>,
    ) -> Result<Response<LayerResponse<A>>, Status> {
        let (default, cap) = UNARY_BUDGET;
        let caller = Peer::of(&call).number();
        let deadline = Deadline::of(&call, default, cap)?;
        let span = match trace::enabled() {
            true => span_under::<A>(&RemoteContext::from_metadata(call.metadata())),
            false => Span::none(),
        };
        let asked = Asked { request: Some(call.into_inner()), deadline: Some(deadline.at), span };
        let flight = self.0.answering.begin();
        settle().await;
        match self.answer_in(&flight, vec![asked], caller).await.pop() {
            Some(result) => result.map(Response::new).map_err(Status::from),
            None => Err(lost().into()),
        }
    }

    /// Answers the rows of a caller, in their order. A bad row does not affect the others. Each row
    /// is bound to a version when it is read; later changes of the traffic affect later rows only.
    pub(crate) async fn answer(&self, asked: Vec<Asked<A>>, caller: u64) -> Vec<RowResult<A>> {
        let flight = self.0.answering.begin();
        self.answer_in(&flight, asked, caller).await
    }

    /// Answers rows that are already counted as in progress.
    async fn answer_in(
        &self,
        flight: &Flight<'_>,
        asked: Vec<Asked<A>>,
        caller: u64,
    ) -> Vec<RowResult<A>> {
        let arrived = Instant::now();
        let source = Source { caller, alone: flight.is_alone() };
        let Parts { catalog, metrics, .. } = &self.0.parts;
        let snapshot = catalog.snapshot();
        let mut rows = RowsByVersion::new(&snapshot);
        let read: Vec<_> = asked
            .into_iter()
            .map(|Asked { request, deadline, span }| {
                let request = request.ok_or_else(missing_request);
                (request.and_then(|request| rows.push(request, deadline)), span)
            })
            .collect();
        let outputs = rows.run(arrived, source).await;
        let mut answered_rows = Vec::new();
        let results = read
            .into_iter()
            .map(|(row, span)| {
                let answered = row.and_then(|row| outputs.answer(row, &span));
                let result = answered.map(|(answer, for_shadows)| {
                    answered_rows.extend(for_shadows);
                    answer
                });
                if let Err(fault) = &result {
                    trace::fail(&span, &fault.message);
                }
                metrics.answered(result.as_ref().err().map(|fault| fault.kind));
                result
            })
            .collect();
        observe(snapshot.shadows(), answered_rows);
        results
    }
}
