//! Decision requests made from the bundled trace.

use std::sync::Arc;

use anyhow::{Context, bail};
use clap::ValueEnum;
use strata_domain::Catalogue;
use strata_simulator::{
    CallHistory, Replay, ReplayOptions, ReplayRequest, Split, Step, Trace, World, WorldOptions,
};
use strata_wire::{facts_to_pb, pb, placement_to_pb, weights_to_pb};

/// A part of the bundled trace, which covers one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The first 60 %, on which the models were fitted
    Train,
    /// The next 15 %, on which they were chosen
    Validation,
    /// The last 25 %, which they have not seen
    Test,
    /// The whole day
    All,
}

impl Part {
    const fn splits(self) -> &'static [Split] {
        match self {
            Self::Train => &[Split::Train],
            Self::Validation => &[Split::Validation],
            Self::Test => &[Split::Test],
            Self::All => &Split::ALL,
        }
    }
}

/// The first `limit` requests of a part, in the order of time: one for every function and every 25
/// minutes in which it is called. Functions are placed on `catalogue`.
///
/// # Errors
/// When there is no request, as with a limit of 0.
pub fn trace_requests(
    part: Part,
    limit: usize,
    catalogue: Arc<Catalogue>,
) -> anyhow::Result<Vec<TraceRequest>> {
    let trace = Trace::bundled().context("the bundled trace")?;
    let world = World::new(trace, WorldOptions::default(), catalogue);
    let mut requests = Vec::new();
    for &split in part.splits() {
        let limit = limit - requests.len();
        let replay = Replay::new(&world, ReplayOptions { split, limit, every: 1 });
        let unseen = split == Split::Test;
        requests.extend(
            replay.map(|r| TraceRequest { request: decide_request(world.catalogue(), &r), unseen }),
        );
    }
    if requests.is_empty() {
        bail!("there are no requests; --limit must be at least 1");
    }
    Ok(requests)
}

/// A request made from the trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceRequest {
    /// The request, complete and without a correlation id.
    pub request: pb::DecideRequest,
    /// Whether it is from the part of the trace that no model has seen.
    pub unseen: bool,
}

/// The call history of a function as a message.
pub fn calls_to_pb(calls: &CallHistory) -> pb::CallHistory {
    let times = strata_wire::calls_to_pb(calls.idle_seconds, &calls.gaps).unwrap_or_default();
    pb::CallHistory {
        busy: calls.busy.as_ref().map(step_to_pb),
        run_seconds: calls.run_seconds,
        long_run_seconds: calls.long_run_seconds,
        ..times
    }
}

/// A 15 s step of telemetry as a message.
pub fn step_to_pb(step: &Step) -> pb::TelemetryStep {
    pb::TelemetryStep {
        request_rate: step.request_rate,
        memory_util: step.memory_util,
        cpu_util: step.cpu_util,
        queue_depth: step.queue_depth,
    }
}

/// A decision of the simulator, whose functions are placed on `catalogue`, as a request.
pub fn decide_request(catalogue: &Catalogue, request: &ReplayRequest) -> pb::DecideRequest {
    let point = &request.point;
    let facts = facts_to_pb(catalogue, &point.facts, &point.location);
    pb::DecideRequest {
        correlation_id: String::new(),
        function: Some(pb::Function {
            application: request.function.application().to_owned(),
            function: request.function.function().to_owned(),
        }),
        at: facts.at,
        current: Some(placement_to_pb(catalogue, point.current)),
        workload: Some(pb::Workload {
            invocation_rate_per_minute: Some(facts.invocation_rate_per_minute),
            inter_arrival_ms: Some(facts.inter_arrival_ms),
            duration_ms: Some(facts.duration_ms),
            avg_duration_ms: Some(facts.avg_duration_ms),
            std_duration_ms: Some(facts.std_duration_ms),
            memory_mb: Some(facts.memory_mb),
            avg_cost_usd: Some(facts.avg_cost_usd),
            avg_carbon_g: Some(facts.avg_carbon_g),
            cold_start_rate: Some(facts.cold_start_rate),
            application: Some(pb::ApplicationLoad {
                cold_start_rate: Some(facts.app_cold_start_rate),
                sla_violation_rate: Some(facts.app_sla_violation_rate),
                avg_invocation_rate_per_minute: Some(facts.app_avg_invocation_rate_per_minute),
                is_bursty: Some(facts.app_is_bursty),
            }),
            home: facts.home,
            request_bytes: Some(facts.request_bytes),
            response_bytes: Some(facts.response_bytes),
            data_provider: facts.data_provider,
            cpu_share: facts.cpu_share,
            calls: Some(calls_to_pb(&request.calls)),
        }),
        weights: Some(weights_to_pb(point.facts.objective.weights)),
        late_penalty: facts.late_penalty,
        telemetry: request.window.iter().map(step_to_pb).collect(),
        ..pb::DecideRequest::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn requests(part: Part, limit: usize) -> anyhow::Result<Vec<TraceRequest>> {
        let research = strata_catalogue::built_in(strata_catalogue::RESEARCH);
        trace_requests(part, limit, Arc::new(research.catalogue))
    }

    #[test]
    fn requests_are_complete_and_varied() {
        let traced = requests(Part::Test, 500).unwrap();
        assert_eq!(traced.len(), 500);
        assert!(traced.iter().all(|traced| traced.unseen));
        assert!(requests(Part::Test, 0).is_err());
        let requests: Vec<_> = traced.into_iter().map(|traced| traced.request).collect();
        assert!(requests.iter().all(|r| r.telemetry.len() == 12 && r.at.is_some()));
        let functions: BTreeSet<_> =
            requests.iter().map(|r| r.function.as_ref().unwrap().function.clone()).collect();
        assert!(functions.len() > 300, "{}", functions.len());
        let placements: BTreeSet<_> = requests
            .iter()
            .map(|r| r.current.as_ref().unwrap())
            .map(|p| (&p.platform, &p.region, p.memory_mb))
            .collect();
        assert!(placements.len() > 20, "{}", placements.len());
    }

    #[test]
    fn the_trace_makes_the_same_requests_every_time() {
        assert_eq!(
            requests(Part::Validation, 50).unwrap(),
            requests(Part::Validation, 50).unwrap()
        );
    }
}
