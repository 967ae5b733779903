//! Filling in what a request leaves out about a function's load, as the contract says.

use strata_domain::{
    DEFAULT_MEMORY_MB, GramsCo2e, Megabytes, MemoryTier, Millis, Objective, Placement, Provider,
    RecentGaps, Region, TYPICAL_CPU_SHARE, Usd, UtcTime, estimate,
};
use strata_policy::{ApplicationFacts, FunctionFacts, operational::WINDOW_STEPS};
use strata_wire::{Violations, calls_from_pb, pb, provider_from_pb, region_from_pb};

use super::request::check_step;

const MAX_DURATION_MS: f64 = 3_600_000.0;
const MAX_PAYLOAD_BYTES: f64 = 1e9;
const DAY_MS: f64 = 86_400_000.0;
const MS_PER_MINUTE: f64 = 60_000.0;
const DEFAULT_REQUEST_BYTES: f64 = 1_000.0;
const DEFAULT_RESPONSE_BYTES: f64 = 10_000.0;

/// What a request says of a function's load, checked; `None` where it says nothing.
#[derive(Debug)]
pub(crate) struct Load {
    rate_per_minute: Option<f64>,
    inter_arrival_ms: Option<f64>,
    duration_ms: f64,
    avg_duration_ms: f64,
    std_duration_ms: f64,
    memory_mb: Option<f64>,
    avg_cost_usd: Option<f64>,
    avg_carbon_g: Option<f64>,
    cold_start_rate: Option<f64>,
    app: AppLoad,
    home: Option<Region>,
    data_provider: Option<Provider>,
    payload_bytes: (f64, f64),
    cpu_share: f64,
    idle_seconds: Option<f64>,
    recent_gaps: RecentGaps,
}

#[derive(Debug, Default)]
struct AppLoad {
    cold_start_rate: Option<f64>,
    sla_violation_rate: Option<f64>,
    rate_per_minute: Option<f64>,
    is_bursty: Option<bool>,
}

/// What the rest of a request says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) at: UtcTime,
    pub(crate) current: Option<Placement>,
    pub(crate) steps: &'a [pb::TelemetryStep],
    pub(crate) objective: Objective,
}

impl Load {
    /// Reads a workload; notes every field that is wrong.
    pub(crate) fn read(workload: Option<&pb::Workload>, violations: &mut Violations) -> Self {
        const ANY: f64 = f64::MAX;
        if workload.is_none() {
            violations.add("workload", "must be given");
        }
        let (given, empty) = (workload.is_some(), pb::Workload::default());
        let workload = workload.unwrap_or(&empty);
        let mut number = |name: &str, value: Option<f64>, max: f64| {
            violations.optional_number(format_args!("workload.{name}"), value, 0.0..=max)
        };
        let rate_per_minute =
            number("invocation_rate_per_minute", workload.invocation_rate_per_minute, ANY);
        let inter_arrival_ms = number("inter_arrival_ms", workload.inter_arrival_ms, ANY);
        let std_duration_ms = number("std_duration_ms", workload.std_duration_ms, MAX_DURATION_MS);
        let avg_cost_usd = number("avg_cost_usd", workload.avg_cost_usd, ANY);
        let avg_carbon_g = number("avg_carbon_g", workload.avg_carbon_g, ANY);
        let cold_start_rate = number("cold_start_rate", workload.cold_start_rate, 1.0);
        let request = number("request_bytes", workload.request_bytes, MAX_PAYLOAD_BYTES);
        let response = number("response_bytes", workload.response_bytes, MAX_PAYLOAD_BYTES);
        let cpu_share = number("cpu_share", workload.cpu_share, 1.0);
        let app = workload.application.as_ref().map(|app| AppLoad {
            cold_start_rate: number("application.cold_start_rate", app.cold_start_rate, 1.0),
            sla_violation_rate: number(
                "application.sla_violation_rate",
                app.sla_violation_rate,
                1.0,
            ),
            rate_per_minute: number(
                "application.avg_invocation_rate_per_minute",
                app.avg_invocation_rate_per_minute,
                ANY,
            ),
            is_bursty: app.is_bursty,
        });
        let mut positive = |name: &str, value: Option<f64>, max: f64| {
            value.map(|v| violations.positive(format_args!("workload.{name}"), v, max))
        };
        let largest = f64::from(MemoryTier::Mb3008.megabytes());
        let memory_mb = positive("memory_mb", workload.memory_mb, largest);
        let latest = positive("duration_ms", workload.duration_ms, MAX_DURATION_MS);
        let mean = positive("avg_duration_ms", workload.avg_duration_ms, MAX_DURATION_MS);
        if given && latest.is_none() && mean.is_none() {
            violations.add("workload.duration_ms", "must be given, or avg_duration_ms");
        }
        let home = match workload.home_region {
            0 => None,
            value => region_from_pb(value).or_else(|| {
                let range = format_args!("must be 0 to 4, is {value}");
                violations.add("workload.home_region", range);
                None
            }),
        };
        let data_provider = match workload.data_provider {
            0 => None,
            value => provider_from_pb(value).or_else(|| {
                let range = format_args!("must be 0 to 3, is {value}");
                violations.add("workload.data_provider", range);
                None
            }),
        };
        let calls = workload.calls.as_ref();
        let (idle_seconds, recent_gaps) = calls
            .map(|calls| calls_from_pb(calls, "workload.calls", violations))
            .unwrap_or_default();
        for (name, seconds) in [
            ("run_seconds", calls.and_then(|calls| calls.run_seconds)),
            ("long_run_seconds", calls.and_then(|calls| calls.long_run_seconds)),
        ] {
            violations.optional_number(format_args!("workload.calls.{name}"), seconds, 0.0..=ANY);
        }
        if let Some(busy) = calls.and_then(|calls| calls.busy.as_ref()) {
            check_step(busy, "workload.calls.busy", violations);
        }
        Self {
            rate_per_minute,
            inter_arrival_ms,
            duration_ms: latest.or(mean).unwrap_or_default(),
            avg_duration_ms: mean.or(latest).unwrap_or_default(),
            std_duration_ms: std_duration_ms.unwrap_or_default(),
            memory_mb,
            avg_cost_usd,
            avg_carbon_g,
            cold_start_rate,
            app: app.unwrap_or_default(),
            home,
            data_provider,
            cpu_share: cpu_share.unwrap_or(TYPICAL_CPU_SHARE),
            idle_seconds,
            recent_gaps,
            payload_bytes: (
                request.unwrap_or(DEFAULT_REQUEST_BYTES),
                response.unwrap_or(DEFAULT_RESPONSE_BYTES),
            ),
        }
    }

    /// The facts the models take and the estimates are made of.
    pub(crate) fn fill(self, asked: Asked<'_>) -> FunctionFacts {
        let Asked { at, current, steps, objective } = asked;
        let rate = self.rate_per_minute.unwrap_or_else(|| mean_rate_per_minute(steps));
        let inter_arrival =
            self.inter_arrival_ms.unwrap_or_else(|| (MS_PER_MINUTE / rate).min(DAY_MS));
        let bursty = inter_arrival < FunctionFacts::BURSTY_BELOW_MS;
        let facts = FunctionFacts {
            at,
            invocation_rate_per_minute: rate,
            inter_arrival: Millis::new(inter_arrival),
            idle_seconds: self.idle_seconds,
            recent_gaps: self.recent_gaps,
            duration: Millis::new(self.duration_ms),
            avg_duration: Millis::new(self.avg_duration_ms),
            std_duration: Millis::new(self.std_duration_ms),
            memory: Megabytes::new(self.memory_mb.unwrap_or_else(|| memory_in_use(steps, current))),
            avg_cost: self.avg_cost_usd.map(Usd::new).unwrap_or_default(),
            avg_carbon: self.avg_carbon_g.map(GramsCo2e::new).unwrap_or_default(),
            cold_start_rate: self.cold_start_rate.unwrap_or_default(),
            application: ApplicationFacts {
                cold_start_rate: self
                    .app
                    .cold_start_rate
                    .or(self.cold_start_rate)
                    .unwrap_or_default(),
                sla_violation_rate: self.app.sla_violation_rate.unwrap_or_default(),
                avg_invocation_rate_per_minute: self.app.rate_per_minute.unwrap_or(rate),
                is_bursty: self.app.is_bursty.unwrap_or(bursty),
            },
            current,
            home: self.home.or(current.map(|now| now.region)).unwrap_or(Region::UsEast),
            data_provider: self.data_provider,
            request_bytes: self.payload_bytes.0,
            response_bytes: self.payload_bytes.1,
            cpu_share: self.cpu_share,
            expected: None,
            objective,
        };
        self.estimated(facts)
    }

    /// What a platform would have measured where the function runs now, for what the request leaves out.
    fn estimated(&self, facts: FunctionFacts) -> FunctionFacts {
        let Some(current) = facts.current else { return facts };
        let known = estimate(&facts.profile(FunctionFacts::STAY_MINUTES), current, facts.at);
        let cold_start_rate = self.cold_start_rate.unwrap_or(known.cold_start_probability);
        FunctionFacts {
            avg_cost: self.avg_cost_usd.map_or(known.cost, Usd::new),
            avg_carbon: self.avg_carbon_g.map_or(known.carbon, GramsCo2e::new),
            cold_start_rate,
            application: ApplicationFacts {
                cold_start_rate: self.app.cold_start_rate.unwrap_or(cold_start_rate),
                ..facts.application
            },
            ..facts
        }
    }
}

fn mean_rate_per_minute(steps: &[pb::TelemetryStep]) -> f64 {
    let sum: f64 = steps.iter().map(|step| step.request_rate).sum();
    60.0 * sum / WINDOW_STEPS as f64
}

fn memory_in_use(steps: &[pb::TelemetryStep], current: Option<Placement>) -> f64 {
    match (steps.last(), current) {
        (Some(step), Some(now)) => step.memory_util * f64::from(now.memory.megabytes()),
        _ => DEFAULT_MEMORY_MB,
    }
}
