//! Asks one layer for a decision: opens the span, passes the deadline, checks the version.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use strata_chassis::{
    Activity,
    trace::{self, RemoteContext, TRACE_TARGET},
};
use strata_domain::FaultKind;
use strata_wire::{Ask, Fault, Hop, TracePlace, pb};
use tracing::Span;

use super::chain::Timed;
use crate::{link::Layer, metrics::CoordinatorMetrics, releases::Release};

/// A layer reloads a small model in about this time.
const RELOAD: Duration = Duration::from_millis(200);

/// The decision for which the coordinator asks the layers.
#[derive(Clone, Copy)]
pub(super) struct Decision<'a> {
    pub(super) span: &'a Span,
    /// The caller's span context.
    pub(super) parent: &'a RemoteContext,
    /// The number of the caller's connection.
    pub(super) caller: u64,
    /// Decisions in progress, this one included.
    pub(super) in_work: usize,
    /// Whether no other decision is in progress.
    pub(super) alone: bool,
    /// The release in force when it began.
    pub(super) release: Option<&'a Release>,
    pub(super) metrics: &'a CoordinatorMetrics,
    /// Reports the progress of work in the process.
    pub(super) activity: &'a Activity,
}

/// A response of a layer that reports which model computed it.
pub(super) trait Reported {
    /// The report of the inference.
    fn inference(&self) -> Option<&pb::Inference>;
}

impl Reported for pb::SelectResponse {
    fn inference(&self) -> Option<&pb::Inference> {
        self.inference.as_ref()
    }
}

impl Reported for pb::PlaceResponse {
    fn inference(&self) -> Option<&pb::Inference> {
        self.inference.as_ref()
    }
}

impl Reported for pb::ForecastResponse {
    fn inference(&self) -> Option<&pb::Inference> {
        self.inference.as_ref()
    }
}

impl<'a> Decision<'a> {
    /// Asks a layer, in a span of its own under the span of the decision. The row is queued when
    /// this returns. `ahead` marks the span of a speculative request.
    pub(super) fn ask<H: Hop<Response: Reported>>(
        self,
        layer: &'a Layer<H>,
        request: H::Request,
        (deadline, ahead): (Instant, bool),
    ) -> BoxFuture<'a, Result<Timed<H::Response>, Fault>> {
        let started = Instant::now();
        let span = self.hop_span::<H>(ahead);
        let version = H::model_version(&request);
        let Self { caller, alone, metrics, activity, .. } = self;
        let trace = self.trace_context(&span);
        let asked = layer.ask(Ask { request, trace, deadline, caller, alone });
        // Boxed, because a decision holds three of these futures and would copy them whole.
        Box::pin(async move {
            let result = asked.await;
            activity.progress();
            let ended = result.as_ref().map_or_else(|_| Instant::now(), |answered| answered.at);
            let elapsed = ended.saturating_duration_since(started);
            metrics.hop(H::LAYER, elapsed);
            result
                .map_err(blame::<H>)
                .inspect_err(|fault| trace::fail(&span, &fault.message))
                .map(|answered| answered.response)
                .and_then(|response| check_version::<H>(response, version))
                .map(|response| (response, elapsed))
        })
    }

    fn hop_span<H: Hop>(self, ahead: bool) -> Span {
        if self.span.is_disabled() {
            return Span::none();
        }
        let span = tracing::info_span!(
            target: TRACE_TARGET,
            parent: self.span,
            "coordinator.hop",
            otel.kind = "client",
            strata.layer = H::LAYER
        );
        if ahead {
            trace::record(&span, "strata.speculative", true);
        }
        span
    }

    /// The parent context for the layer's span. When the coordinator exports no traces, this hop is
    /// not in the trace and the layer gets the caller's context.
    fn trace_context(self, span: &Span) -> TracePlace {
        let here = trace::context_of(span);
        let context = if here.trace_id().is_some() { &here } else { self.parent };
        match context.is_sampled() {
            true => TracePlace {
                traceparent: context.traceparent().unwrap_or_default(),
                tracestate: context.tracestate().unwrap_or_default(),
            },
            false => TracePlace::default(),
        }
    }
}

/// Translates a fault for which the caller is not to blame: the layer refused the coordinator's
/// request, or it lacks a version that the release needs.
fn blame<H: Hop>(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::InvalidArgument => {}
        FaultKind::FailedPrecondition => {
            let message = format!(
                "the {} layer cannot serve the release in force: {}",
                H::LAYER,
                fault.message
            );
            return Fault::new(FaultKind::Unavailable, message).retry_after(RELOAD);
        }
        _ => return fault,
    }
    tracing::error!(layer = H::LAYER, fault = fault.message, "the layer refused a request");
    let message = format!("the {} layer refused the coordinator's question", H::LAYER);
    Fault::new(FaultKind::Internal, message)
}

/// Rejects a response of another version than the release names. A layer that is too old to know
/// the field `model_version` ignores it and answers with the version of its own traffic.
fn check_version<H: Hop<Response: Reported>>(
    response: H::Response,
    wanted: u32,
) -> Result<H::Response, Fault> {
    let version = response.inference().map_or(0, |inference| inference.version);
    if wanted == 0 || version == wanted {
        return Ok(response);
    }
    let message = format!(
        "the {} layer answered with version {version} where the release in force has {wanted}",
        H::LAYER
    );
    Err(Fault::new(FaultKind::Internal, message))
}
