//! Fills in what a request leaves out about a function's load, as the contract specifies.

use strata_domain::{
    ApplicationFacts, DEFAULT_MEMORY_MB, Estimate, FunctionFacts, GramsCo2e, Megabytes, Millis,
    Objective, Running, TYPICAL_CPU_SHARE, Usd, UtcTime,
};
use strata_policy::operational::WINDOW_STEPS;
use strata_wire::{MAX_MEMORY_MB, Violations, calls_from_pb, pb};

use super::telemetry::check_step;

const MAX_DURATION_MS: f64 = 3_600_000.0;
const MAX_PAYLOAD_BYTES: f64 = 1e9;
const DAY_MS: f64 = 86_400_000.0;
const MS_PER_MINUTE: f64 = 60_000.0;
const DEFAULT_REQUEST_BYTES: f64 = 1_000.0;
const DEFAULT_RESPONSE_BYTES: f64 = 10_000.0;

/// Adds a violation for every field of a workload that is missing or wrong.
pub(super) fn check_workload(workload: Option<&pb::Workload>, violations: &mut Violations) {
    let Some(workload) = workload else {
        return violations.add("workload", "must be given");
    };
    check_numbers(workload, violations);
    for (name, value, max) in [
        ("memory_mb", workload.memory_mb, f64::from(MAX_MEMORY_MB)),
        ("duration_ms", workload.duration_ms, MAX_DURATION_MS),
        ("avg_duration_ms", workload.avg_duration_ms, MAX_DURATION_MS),
    ] {
        value.map(|value| violations.positive(format_args!("workload.{name}"), value, max));
    }
    if workload.duration_ms.or(workload.avg_duration_ms).is_none() {
        violations.add("workload.duration_ms", "must be given, or avg_duration_ms");
    }
    if let Some(calls) = &workload.calls {
        check_calls(calls, violations);
    }
}

/// Adds a violation for every wrong number among those that may be 0.
fn check_numbers(workload: &pb::Workload, violations: &mut Violations) {
    const ANY: f64 = f64::MAX;
    let application = workload.application.unwrap_or_default();
    for (name, value, max) in [
        ("invocation_rate_per_minute", workload.invocation_rate_per_minute, ANY),
        ("inter_arrival_ms", workload.inter_arrival_ms, ANY),
        ("std_duration_ms", workload.std_duration_ms, MAX_DURATION_MS),
        ("avg_cost_usd", workload.avg_cost_usd, ANY),
        ("avg_carbon_g", workload.avg_carbon_g, ANY),
        ("cold_start_rate", workload.cold_start_rate, 1.0),
        ("request_bytes", workload.request_bytes, MAX_PAYLOAD_BYTES),
        ("response_bytes", workload.response_bytes, MAX_PAYLOAD_BYTES),
        ("cpu_share", workload.cpu_share, 1.0),
        ("application.cold_start_rate", application.cold_start_rate, 1.0),
        ("application.sla_violation_rate", application.sla_violation_rate, 1.0),
        (
            "application.avg_invocation_rate_per_minute",
            application.avg_invocation_rate_per_minute,
            ANY,
        ),
    ] {
        violations.optional_number(format_args!("workload.{name}"), value, 0.0..=max);
    }
}

fn check_calls(calls: &pb::CallHistory, violations: &mut Violations) {
    calls_from_pb(calls, "workload.calls", violations);
    for (name, seconds) in
        [("run_seconds", calls.run_seconds), ("long_run_seconds", calls.long_run_seconds)]
    {
        let field = format_args!("workload.calls.{name}");
        violations.optional_number(field, seconds, 0.0..=f64::MAX);
    }
    if let Some(busy) = &calls.busy {
        check_step(busy, "workload.calls.busy", violations);
    }
}

/// The parts of a request outside of the workload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) at: UtcTime,
    pub(super) current: Option<Running>,
    pub(super) steps: &'a [pb::TelemetryStep],
    pub(super) objective: Objective,
}

/// Builds the facts for the models and the estimates from a workload that was checked. What only an
/// estimate can say is left out: [`complete`] adds it.
pub(super) fn fill(workload: &pb::Workload, known: Known<'_>) -> FunctionFacts {
    let Known { at, current, steps, objective } = known;
    let rate = workload.invocation_rate_per_minute.unwrap_or_else(|| mean_rate_per_minute(steps));
    let inter_arrival =
        workload.inter_arrival_ms.unwrap_or_else(|| (MS_PER_MINUTE / rate).min(DAY_MS));
    let memory = workload.memory_mb.unwrap_or_else(|| memory_in_use(steps, current));
    let (latest, mean) = (workload.duration_ms, workload.avg_duration_ms);
    let calls = workload.calls.as_ref();
    let (idle_seconds, recent_gaps) = calls
        .map(|calls| calls_from_pb(calls, "workload.calls", &mut Violations::new()))
        .unwrap_or_default();
    FunctionFacts {
        at,
        invocation_rate_per_minute: rate,
        inter_arrival: Millis::new(inter_arrival),
        idle_seconds,
        recent_gaps,
        duration: Millis::new(latest.or(mean).unwrap_or_default()),
        avg_duration: Millis::new(mean.or(latest).unwrap_or_default()),
        std_duration: Millis::new(workload.std_duration_ms.unwrap_or_default()),
        memory: Megabytes::new(memory),
        avg_cost: workload.avg_cost_usd.map(Usd::new).unwrap_or_default(),
        avg_carbon: workload.avg_carbon_g.map(GramsCo2e::new).unwrap_or_default(),
        cold_start_rate: workload.cold_start_rate.unwrap_or_default(),
        application: application(workload, rate, inter_arrival),
        request_bytes: workload.request_bytes.unwrap_or(DEFAULT_REQUEST_BYTES),
        response_bytes: workload.response_bytes.unwrap_or(DEFAULT_RESPONSE_BYTES),
        cpu_share: workload.cpu_share.unwrap_or(TYPICAL_CPU_SHARE),
        objective,
    }
}

fn application(workload: &pb::Workload, rate: f64, inter_arrival: f64) -> ApplicationFacts {
    let given = workload.application.unwrap_or_default();
    let bursty = inter_arrival < FunctionFacts::BURSTY_BELOW_MS;
    ApplicationFacts {
        cold_start_rate: given.cold_start_rate.or(workload.cold_start_rate).unwrap_or_default(),
        sla_violation_rate: given.sla_violation_rate.unwrap_or_default(),
        avg_invocation_rate_per_minute: given.avg_invocation_rate_per_minute.unwrap_or(rate),
        is_bursty: given.is_bursty.unwrap_or(bursty),
    }
}

/// Adds the measurements of the current placement that the request leaves out, as estimated.
pub(super) fn complete(facts: &mut FunctionFacts, workload: &pb::Workload, here: &Estimate) {
    let cold_start_rate = workload.cold_start_rate.unwrap_or(here.cold_start_probability);
    let of_application = workload.application.and_then(|given| given.cold_start_rate);
    facts.avg_cost = workload.avg_cost_usd.map_or(here.cost, Usd::new);
    facts.avg_carbon = workload.avg_carbon_g.map_or(here.carbon, GramsCo2e::new);
    facts.cold_start_rate = cold_start_rate;
    facts.application.cold_start_rate = of_application.unwrap_or(cold_start_rate);
}

fn mean_rate_per_minute(steps: &[pb::TelemetryStep]) -> f64 {
    let sum: f64 = steps.iter().map(|step| step.request_rate).sum();
    60.0 * sum / WINDOW_STEPS as f64
}

fn memory_in_use(steps: &[pb::TelemetryStep], current: Option<Running>) -> f64 {
    match (steps.last(), current) {
        (Some(step), Some(now)) => step.memory_util * f64::from(now.memory_mb),
        _ => DEFAULT_MEMORY_MB,
    }
}
