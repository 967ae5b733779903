//! Requests to single layers, made from decision requests.

use std::sync::Arc;

use strata_domain::Catalogue;
use strata_wire::pb;

/// The requests to each layer, in the order of the decision requests.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) strategic: Arc<Vec<pb::SelectRequest>>,
    pub(crate) tactical: Arc<Vec<pb::PlaceRequest>>,
    pub(crate) operational: Arc<Vec<pb::ForecastRequest>>,
}

impl Rows {
    /// Makes the rows from complete requests on a catalogue, such as those made from the trace.
    pub(crate) fn of(requests: &[pb::DecideRequest], catalogue: &Catalogue) -> Self {
        let select = |request| pb::SelectRequest {
            facts: Some(facts(request).into()),
            ..Default::default()
        };
        let place = |request: &pb::DecideRequest| pb::PlaceRequest {
            facts: Some(facts(request).into()),
            platform: platform(request).to_owned(),
            ..Default::default()
        };
        let keep_alive_minutes = |request: &pb::DecideRequest| {
            let platform = catalogue.find_platform(platform(request));
            let platform = platform.unwrap_or_else(|| catalogue.reference_platform());
            catalogue.platform(platform).cold_starts.keep_alive_minutes()
        };
        let forecast = |request: &pb::DecideRequest| pb::ForecastRequest {
            at: request.at,
            steps: request.telemetry.clone(),
            memory_mb: request.current.as_ref().map_or(0, |current| current.memory_mb),
            keep_alive_minutes: keep_alive_minutes(request),
            calls: request.workload.as_ref().and_then(|workload| workload.calls.clone()),
            ..Default::default()
        };
        Self {
            strategic: Arc::new(requests.iter().map(select).collect()),
            tactical: Arc::new(requests.iter().map(place).collect()),
            operational: Arc::new(requests.iter().map(forecast).collect()),
        }
    }
}

fn platform(request: &pb::DecideRequest) -> &str {
    request.current.as_ref().map_or("", |current| &current.platform)
}

/// The facts that the coordinator would send to the layers for a complete request.
fn facts(request: &pb::DecideRequest) -> pb::FunctionFacts {
    let workload = request.workload.clone().unwrap_or_default();
    let application = workload.application.unwrap_or_default();
    pb::FunctionFacts {
        at: request.at,
        invocation_rate_per_minute: workload.invocation_rate_per_minute.unwrap_or_default(),
        inter_arrival_ms: workload.inter_arrival_ms.unwrap_or_default(),
        duration_ms: workload.duration_ms.unwrap_or_default(),
        avg_duration_ms: workload.avg_duration_ms.unwrap_or_default(),
        std_duration_ms: workload.std_duration_ms.unwrap_or_default(),
        memory_mb: workload.memory_mb.unwrap_or_default(),
        avg_cost_usd: workload.avg_cost_usd.unwrap_or_default(),
        avg_carbon_g: workload.avg_carbon_g.unwrap_or_default(),
        cold_start_rate: workload.cold_start_rate.unwrap_or_default(),
        app_cold_start_rate: application.cold_start_rate.unwrap_or_default(),
        app_sla_violation_rate: application.sla_violation_rate.unwrap_or_default(),
        app_avg_invocation_rate_per_minute: application
            .avg_invocation_rate_per_minute
            .unwrap_or_default(),
        app_is_bursty: application.is_bursty.unwrap_or_default(),
        current: request.current.clone(),
        home: workload.home,
        data_provider: workload.data_provider,
        request_bytes: workload.request_bytes.unwrap_or_default(),
        response_bytes: workload.response_bytes.unwrap_or_default(),
        cpu_share: workload.cpu_share,
        weights: request.weights,
        latency_slo_ms: 0.0,
        calls: workload.calls,
        late_penalty: None,
    }
}
