//! Leads a question through the three layers.

use std::{sync::Arc, time::Instant};

use futures_util::TryFutureExt;
use strata_chassis::{
    Activity, Deadline, InFlight, settle,
    trace::{self, RemoteContext, TRACE_TARGET},
};
use strata_domain::{FaultKind, Placement};
use strata_wire::{Fault, Forecasting, Hop, Placing, pb};
use tracing::Span;

use super::{
    answer::answer,
    chain::{Placed, Provisioned, Routed},
    hops::Decision,
    speculation::{Ahead, Speculation, settle_for},
};
use crate::{
    catalogue::CatalogueRegister,
    intake::Question,
    link::Layers,
    metrics::CoordinatorMetrics,
    releases::{Register, Release},
};

/// The three layers, the releases and the metrics of decisions.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub(crate) layers: Layers,
    pub(crate) releases: Arc<Register>,
    pub(crate) catalogue: Arc<CatalogueRegister>,
    /// Decisions in progress.
    pub(crate) deciding: Arc<InFlight>,
    /// Whether one thread runs all async tasks.
    pub(crate) one_worker: bool,
    /// Whether the coordinator speculates.
    pub(crate) speculation: Speculation,
    /// Reports the progress of work in the process.
    pub(crate) activity: Activity,
    pub(crate) metrics: CoordinatorMetrics,
}

/// The call with which a request arrived.
pub(crate) struct Call<'a> {
    pub(crate) arrived: Instant,
    pub(crate) deadline: Deadline,
    pub(crate) parent: &'a RemoteContext,
    /// The number of the connection on which the call arrived.
    pub(crate) caller: u64,
    /// Whether this is a unary call. On a stream, the coordinator reads the next request only once
    /// this one waits for something, so it cannot tell whether this request is alone.
    pub(crate) unary: bool,
}

impl Pipeline {
    /// Loads the versions of a release on every replica of the three layers.
    ///
    /// # Errors
    /// The first fault, with the layer and the replica.
    pub(crate) async fn load(&self, release: &Release) -> Result<(), Fault> {
        let Layers { strategic, tactical, operational } = &self.layers;
        let versions = release.versions();
        let kept = self.releases.kept();
        tokio::try_join!(
            strategic.load(versions[0]).map_err(|fault| with_kept(fault, &kept[0])),
            tactical.load(versions[1]).map_err(|fault| with_kept(fault, &kept[1])),
            operational.load(versions[2]).map_err(|fault| with_kept(fault, &kept[2])),
        )?;
        Ok(())
    }

    /// Decides one request with the release in force, in a span under that of the call.
    pub(crate) async fn decide(
        &self,
        request: pb::DecideRequest,
        call: Call<'_>,
    ) -> Result<pb::DecideResponse, Fault> {
        let own = match request.traceparent.as_str() {
            "" => RemoteContext::default(),
            traceparent => RemoteContext::from_pair(traceparent, &request.tracestate),
        };
        let parent = if own.trace_id().is_some() { &own } else { call.parent };
        let span = decision_span(parent);
        let flight = self.deciding.begin();
        if call.unary && self.one_worker {
            // With several workers, another worker would steal the yielding task, which costs more
            // than it gains.
            settle().await;
        }
        let release = self.releases.in_force();
        let release = release.as_deref();
        let decision = Decision {
            span: &span,
            parent,
            caller: call.caller,
            in_work: flight.count(),
            alone: call.unary && flight.is_alone(),
            release,
            metrics: &self.metrics,
            activity: &self.activity,
        };
        let result = self
            .chain(request, decision, call.deadline)
            .await
            .map(|provisioned| answer(provisioned, release, call.arrived.elapsed()));
        self.conclude(&result, &call, decision);
        result
    }

    /// Asks the three layers, each with the answer of the one above. A speculative request uses a
    /// guess of that answer; the layer is asked again when the guess was wrong.
    async fn chain(
        &self,
        request: pb::DecideRequest,
        decision: Decision<'_>,
        deadline: Deadline,
    ) -> Result<Provisioned, Fault> {
        let Decision { release, span, in_work, .. } = decision;
        if let Some(release) = release.filter(|_| !span.is_disabled()) {
            trace::record(span, "strata.release", release.name().to_owned());
        }
        let question = Question::read(self.catalogue.in_force(), request)?;
        let versions = release.map_or([0; 3], Release::versions);
        let Layers { strategic, tactical, operational } = &self.layers;
        let select = |question: &Question| {
            let until = (share(deadline, 3), false);
            decision.ask(strategic, question.select(versions[0]), until)
        };
        let place = |question: &Question, platform, ahead| {
            let until = (if ahead { two_thirds(deadline) } else { share(deadline, 2) }, ahead);
            decision.ask(tactical, question.place(platform, versions[1]), until)
        };
        let forecast = |question: &Question, placement, ahead| {
            let request = question.forecast(placement, versions[2]);
            decision.ask(operational, request, (deadline.at, ahead))
        };

        let guess = self.speculation.guess(&question, &self.layers, in_work);
        let selected = select(&question);
        let placed = guess.map(|Placement { platform, .. }| {
            let answer = place(&question, platform, true);
            Ahead::new(Placing::LAYER, platform, answer, &self.metrics)
        });
        let forecasted = guess.map(|placement| {
            let answer = forecast(&question, placement, true);
            Ahead::new(Forecasting::LAYER, placement, answer, &self.metrics)
        });

        let routed = Routed::new(question, selected.await?)?;
        let platform = routed.platform;
        let again = || place(&routed.question, platform, false);
        let answer = settle_for(placed, platform, again).await?;
        let placed = Placed::new(routed, answer)?;
        let placement = placed.placement;
        let again = || forecast(&placed.routed.question, placement, false);
        let answer = settle_for(forecasted, placement, again).await?;
        Provisioned::new(placed, answer)
    }

    /// Counts, traces and logs the result of a request.
    fn conclude(
        &self,
        result: &Result<pb::DecideResponse, Fault>,
        call: &Call<'_>,
        decision: Decision<'_>,
    ) {
        let Decision { span, parent, release, .. } = decision;
        self.metrics.decided(call.arrived.elapsed(), result.as_ref().err().map(|fault| fault.kind));
        let trace_id = || {
            let here = trace::context_of(span).trace_id().or(parent.trace_id());
            here.map(|id| id.to_string()).unwrap_or_default()
        };
        let release = release.map(Release::name);
        match result {
            Ok(decision) => {
                if !span.is_disabled() {
                    trace::record(span, "strata.decision.id", decision.decision_id.clone());
                }
                tracing::debug!(
                    trace_id = trace_id(),
                    decision_id = decision.decision_id,
                    elapsed_us = decision.elapsed_us,
                    release,
                    "decided"
                );
            }
            Err(fault) => {
                trace::fail(span, &fault.message);
                tracing::debug!(
                    trace_id = trace_id(),
                    kind = %fault.kind,
                    fault = fault.message,
                    release,
                    "not decided"
                );
            }
        }
    }
}

fn decision_span(parent: &RemoteContext) -> Span {
    if !trace::enabled() {
        return Span::none();
    }
    let span =
        tracing::info_span!(target: TRACE_TARGET, "coordinator.decide", otel.kind = "server");
    trace::set_parent(&span, parent);
    span
}

/// Names the versions that releases need in the fault of a full layer, which does not know them.
fn with_kept(fault: Fault, kept: &[u32]) -> Fault {
    if fault.kind != FaultKind::ResourceExhausted || kept.is_empty() {
        return fault;
    }
    let kept: Vec<_> = kept.iter().map(u32::to_string).collect();
    let message = format!(
        "{}; the release in force and the one a rollback returns to need {}",
        fault.message,
        kept.join(", ")
    );
    Fault { message, ..fault }
}

/// The deadline of the first of `hops` hops that remain: an even share of the remaining time, so
/// that a slow layer leaves time to the others.
fn share(deadline: Deadline, hops: u32) -> Instant {
    Instant::now() + deadline.remaining() / hops
}

/// The deadline of the second of three hops when it is asked together with the first.
fn two_thirds(deadline: Deadline) -> Instant {
    Instant::now() + deadline.remaining() / 3 * 2
}
