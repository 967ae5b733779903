//! The path of a question through the three layers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryFutureExt;
use strata_chassis::{
    Deadline, InFlight, Pulse,
    trace::{self, RemoteContext, TRACE_TARGET},
};
use strata_domain::{FaultKind, Placement};
use strata_wire::{
    Fault, Violations, calls_to_pb, pb, placement_from_pb, placement_to_pb, provider_from_pb,
    provider_to_pb, region_to_pb, time_to_pb, weights_to_pb,
};
use tracing::Span;

use crate::{
    answer::answer,
    chain::{HopReport, Placed, Provisioned, Routed},
    intake::Question,
    link::{Due, Forecasting, Hop, Layer, Placing, Selecting, TracePlace},
    metrics::CoordinatorMetrics,
    releases::{Register, Release},
};

/// In about this time a small model is loaded again.
const RELOAD: Duration = Duration::from_millis(200);

/// The three layers, and what is counted on the way.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub(crate) strategic: Layer<Selecting>,
    pub(crate) tactical: Layer<Placing>,
    pub(crate) operational: Layer<Forecasting>,
    pub(crate) releases: Arc<Register>,
    /// Decisions in work.
    pub(crate) deciding: Arc<InFlight>,
    /// Whether one thread runs all async tasks.
    pub(crate) one_worker: bool,
    /// Of the process's work.
    pub(crate) pulse: Pulse,
    pub(crate) metrics: CoordinatorMetrics,
}

/// The call a request came with.
pub(crate) struct Call<'a> {
    pub(crate) arrived: Instant,
    pub(crate) deadline: Deadline,
    pub(crate) parent: &'a RemoteContext,
    /// The connection it came on, by its number.
    pub(crate) caller: u64,
    /// Whether it is a call of its own; the next request of a stream is not seen before this one waits for something.
    pub(crate) one: bool,
}

/// When a hop must be over, and the decision it belongs to.
#[derive(Clone, Copy)]
struct Leg<'a> {
    due: Due,
    decision: &'a Span,
    /// The caller's place in its trace.
    parent: &'a RemoteContext,
    /// The version of the layer's model that must answer; 0: the layer chooses.
    version: u32,
}

impl Pipeline {
    /// Whether every layer can be asked.
    pub(crate) fn is_complete(&self) -> bool {
        self.strategic.is_up() && self.tactical.is_up() && self.operational.is_up()
    }

    /// Has every replica of the three layers load its version of a release.
    ///
    /// # Errors
    /// The first refusal, with the layer and the replica.
    pub(crate) async fn load(&self, release: &Release) -> Result<(), Fault> {
        let [strategic, tactical, operational] = release.versions();
        let kept = self.releases.kept();
        tokio::try_join!(
            self.strategic.load(strategic).map_err(|fault| with_kept(fault, &kept[0])),
            self.tactical.load(tactical).map_err(|fault| with_kept(fault, &kept[1])),
            self.operational.load(operational).map_err(|fault| with_kept(fault, &kept[2])),
        )?;
        Ok(())
    }

    /// Decides one request by the release in force now, in a span under the call's.
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
        let span = match trace::enabled() {
            true => {
                tracing::info_span!(target: TRACE_TARGET, "coordinator.decide", otel.kind = "server")
            }
            false => Span::none(),
        };
        trace::set_parent(&span, parent);
        let _deciding = self.deciding.begin();
        if call.one && self.one_worker {
            // Calls that came together are all counted before the first asks whether it is alone. With several workers another would take
            // this task over, which costs more than it gains.
            tokio::task::yield_now().await;
        }
        let release = self.releases.in_force();
        let release = release.as_deref();
        let result = self.chain(request, &Call { parent, ..call }, (&span, release)).await;
        let elapsed = call.arrived.elapsed();
        self.metrics.decided(elapsed, result.as_ref().err().map(|fault| fault.kind));
        let trace_id = || {
            let here = trace::context_of(&span).trace_id().or(parent.trace_id());
            here.map(|id| id.to_string()).unwrap_or_default()
        };
        match &result {
            Ok(decision) => tracing::debug!(
                trace_id = trace_id(),
                decision_id = decision.decision_id,
                elapsed_us = decision.elapsed_us,
                release = release.map(Release::name),
                "decided"
            ),
            Err(fault) => {
                trace::fail(&span, &fault.message);
                tracing::debug!(trace_id = trace_id(), kind = %fault.kind, fault = fault.message, release = release.map(Release::name), "not decided");
            }
        }
        result
    }

    async fn chain(
        &self,
        request: pb::DecideRequest,
        call: &Call<'_>,
        (span, release): (&Span, Option<&Release>),
    ) -> Result<pb::DecideResponse, Fault> {
        if let Some(release) = release.filter(|_| !span.is_disabled()) {
            trace::record(span, "strata.release", release.name().to_owned());
        }
        let question = Question::read(request)?;
        let [strategic, tactical, operational] = release.map_or([0; 3], Release::versions);
        let leg = |version, deadline| Leg {
            due: Due { deadline, caller: call.caller, alone: call.one && self.deciding.is_one() },
            decision: span,
            parent: call.parent,
            version,
        };
        let routed = self.route(question, leg(strategic, share(call.deadline, 3))).await?;
        let placed = self.place(routed, leg(tactical, share(call.deadline, 2))).await?;
        let provisioned = self.provision(placed, leg(operational, call.deadline.at)).await?;
        let decision = answer(provisioned, release, call.arrived.elapsed());
        if !span.is_disabled() {
            trace::record(span, "strata.decision.id", decision.decision_id.clone());
        }
        Ok(decision)
    }

    async fn route(&self, question: Question, leg: Leg<'_>) -> Result<Routed, Fault> {
        let mask = question.candidates.providers();
        let request = pb::SelectRequest {
            facts: Some(facts_to_pb(&question)),
            provider_mask: Some(mask.bits()),
            explain: question.explain,
            function_key: Some(question.function_key),
            model_version: leg.version,
        };
        let (response, elapsed) = self.hop(&self.strategic, request, leg).await?;
        check_version::<Selecting>(response.inference.as_ref(), leg.version)?;
        let provider = provider_from_pb(response.provider)
            .filter(|provider| mask.allows(provider.index()))
            .ok_or_else(|| disallowed(Selecting::LAYER))?;
        let report =
            HopReport { inference: response.inference, scores: response.q_values, elapsed };
        Ok(Routed { question, provider, report })
    }

    async fn place(&self, routed: Routed, leg: Leg<'_>) -> Result<Placed, Fault> {
        let Routed { question, provider, .. } = &routed;
        let request = pb::PlaceRequest {
            facts: Some(facts_to_pb(question)),
            provider: provider_to_pb(*provider).into(),
            action_mask: Some(question.candidates.actions(*provider).bits()),
            explain: question.explain,
            function_key: Some(question.function_key),
            model_version: leg.version,
        };
        let (response, elapsed) = self.hop(&self.tactical, request, leg).await?;
        check_version::<Placing>(response.inference.as_ref(), leg.version)?;
        let mut violations = Violations::new();
        let placement = response
            .placement
            .and_then(|placement| placement_from_pb(&placement, "placement", &mut violations))
            .filter(|placement| question.candidates.allows(*placement))
            .filter(|placement| placement.provider == *provider)
            .ok_or_else(|| disallowed(Placing::LAYER))?;
        let report = HopReport { inference: response.inference, scores: response.logits, elapsed };
        Ok(Placed { routed, placement, report })
    }

    async fn provision(&self, mut placed: Placed, leg: Leg<'_>) -> Result<Provisioned, Fault> {
        let question = &mut placed.routed.question;
        let request = pb::ForecastRequest {
            at: Some(time_to_pb(question.at)),
            steps: std::mem::take(&mut question.steps),
            observed_memory_mb: question.current.map_or(0, |now| now.memory.megabytes()),
            placement: Some(placement_to_pb(placed.placement)),
            calls: Some(std::mem::take(&mut question.calls)),
            function_key: Some(question.function_key),
            model_version: leg.version,
        };
        let (response, elapsed) = self.hop(&self.operational, request, leg).await?;
        check_version::<Forecasting>(response.inference.as_ref(), leg.version)?;
        let forecast = response.forecast.ok_or_else(|| disallowed(Forecasting::LAYER))?;
        let report = HopReport { inference: response.inference, scores: Vec::new(), elapsed };
        Ok(Provisioned { placed, forecast, report })
    }

    /// Asks one layer, in a span of its own under the decision's.
    async fn hop<H: Hop>(
        &self,
        layer: &Layer<H>,
        request: H::Request,
        leg: Leg<'_>,
    ) -> Result<(H::Response, Duration), Fault> {
        let started = Instant::now();
        let span = match leg.decision.is_disabled() {
            true => Span::none(),
            false => tracing::info_span!(
                target: TRACE_TARGET,
                parent: leg.decision,
                "coordinator.hop",
                otel.kind = "client",
                strata.layer = H::LAYER
            ),
        };
        let here = trace::context_of(&span);
        // Without a collector of its own this hop is not in the trace; the caller's place is passed on.
        let context = if here.trace_id().is_some() { &here } else { leg.parent };
        let place = match context.is_sampled() {
            true => TracePlace {
                traceparent: context.traceparent().unwrap_or_default(),
                tracestate: context.tracestate().unwrap_or_default(),
            },
            false => TracePlace::default(),
        };
        let result = layer.ask(request, place, leg.due).await;
        let result = result.map_err(blame::<H>);
        self.pulse.beat();
        let elapsed = started.elapsed();
        self.metrics.hop(H::LAYER, elapsed);
        result
            .map(|response| (response, elapsed))
            .inspect_err(|fault| trace::fail(&span, &fault.message))
    }
}

/// A layer that has no room does not know which of its versions releases need.
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

/// The moment by which a hop must be over that is the first of `hops` still to come: an even share of what is left, so that a slow layer
/// leaves the others their time.
fn share(deadline: Deadline, hops: u32) -> Instant {
    Instant::now() + deadline.remaining() / hops
}

/// A layer that refuses what the coordinator asked, or lacks what a release needs, is no fault of the caller's.
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
    tracing::error!(layer = H::LAYER, fault = fault.message, "the layer refused a question");
    let message = format!("the {} layer refused the coordinator's question", H::LAYER);
    Fault::new(FaultKind::Internal, message)
}

/// A release is answered by its own versions or not at all: a layer too old to know of `model_version` would answer by its traffic.
fn check_version<H: Hop>(answered: Option<&pb::Inference>, wanted: u32) -> Result<(), Fault> {
    let version = answered.map_or(0, |inference| inference.version);
    if wanted == 0 || version == wanted {
        return Ok(());
    }
    let message = format!(
        "the {} layer answered with version {version} where the release in force has {wanted}",
        H::LAYER
    );
    Err(Fault::new(FaultKind::Internal, message))
}

fn disallowed(layer: &str) -> Fault {
    let message = format!("the {layer} layer answered what it was not allowed to");
    Fault::new(FaultKind::Internal, message)
}

/// What is known of the function, with the expected objectives: they are worked out once for all layers.
fn facts_to_pb(question: &Question) -> pb::FunctionFacts {
    let facts = &question.facts;
    let current = facts.current.map(|current: Placement| pb::Placement {
        // A layer has no use for the provider's name of the region.
        provider_region: String::new(),
        ..placement_to_pb(current)
    });
    pb::FunctionFacts {
        at: Some(time_to_pb(facts.at)),
        invocation_rate_per_minute: facts.invocation_rate_per_minute,
        inter_arrival_ms: facts.inter_arrival.get(),
        duration_ms: facts.duration.get(),
        avg_duration_ms: facts.avg_duration.get(),
        std_duration_ms: facts.std_duration.get(),
        memory_mb: facts.memory.get(),
        avg_cost_usd: facts.avg_cost.get(),
        avg_carbon_g: facts.avg_carbon.get(),
        cold_start_rate: facts.cold_start_rate,
        app_cold_start_rate: facts.application.cold_start_rate,
        app_sla_violation_rate: facts.application.sla_violation_rate,
        app_avg_invocation_rate_per_minute: facts.application.avg_invocation_rate_per_minute,
        app_is_bursty: facts.application.is_bursty,
        current,
        home_region: region_to_pb(facts.home).into(),
        data_provider: facts.data_provider.map_or(0, |provider| provider_to_pb(provider).into()),
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
        cpu_share: Some(facts.cpu_share),
        weights: Some(weights_to_pb(facts.objective.weights)),
        latency_slo_ms: facts.objective.sla_ms,
        late_penalty: Some(facts.objective.sla_penalty),
        calls: calls_to_pb(facts.idle_seconds, &facts.recent_gaps),
        expected_objectives: question.candidates.objectives().to_vec(),
    }
}
