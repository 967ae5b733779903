//! The facts of a function, checked on their way in.

use strata_domain::{
    DEFAULT_SLA_MS, GramsCo2e, MAX_SLA_PENALTY, Megabytes, Millis, Objective, Placement, Region,
    TYPICAL_CPU_SHARE, Usd, Weights,
};
use strata_policy::{ApplicationFacts, FunctionFacts};
use strata_wire::{
    Violations, calls_from_pb, pb, placement_from_pb, provider_from_pb, region_from_pb,
    time_from_pb,
};

/// The facts in a message, after noting every field that is missing or wrong; `None` without a moment. They mean nothing when anything was noted.
pub(crate) fn facts_from_pb(
    facts: Option<&pb::FunctionFacts>,
    violations: &mut Violations,
) -> Option<FunctionFacts> {
    let Some(facts) = facts else {
        violations.add("facts", "must be given");
        return None;
    };
    let at = match &facts.at {
        Some(at) => time_from_pb(at, "facts.at", violations),
        None => {
            violations.add("facts.at", "must be given");
            None
        }
    };
    let mut number = |name: &str, value: f64, max: f64| {
        violations.number(format_args!("facts.{name}"), value, 0.0..=max)
    };
    let rate = number("invocation_rate_per_minute", facts.invocation_rate_per_minute, f64::MAX);
    let inter_arrival = number("inter_arrival_ms", facts.inter_arrival_ms, f64::MAX);
    let duration = number("duration_ms", facts.duration_ms, f64::MAX);
    let avg_duration = number("avg_duration_ms", facts.avg_duration_ms, f64::MAX);
    let std_duration = number("std_duration_ms", facts.std_duration_ms, f64::MAX);
    let memory = number("memory_mb", facts.memory_mb, f64::MAX);
    let avg_cost = number("avg_cost_usd", facts.avg_cost_usd, f64::MAX);
    let avg_carbon = number("avg_carbon_g", facts.avg_carbon_g, f64::MAX);
    let cold_start_rate = number("cold_start_rate", facts.cold_start_rate, 1.0);
    let request_bytes = number("request_bytes", facts.request_bytes, f64::MAX);
    let response_bytes = number("response_bytes", facts.response_bytes, f64::MAX);
    let cpu_share = facts.cpu_share.map(|share| number("cpu_share", share, 1.0));
    let late_penalty = facts.late_penalty.map(|p| number("late_penalty", p, MAX_SLA_PENALTY));
    let slo_ms = number("latency_slo_ms", facts.latency_slo_ms, f64::MAX);
    let application = ApplicationFacts {
        cold_start_rate: number("app_cold_start_rate", facts.app_cold_start_rate, 1.0),
        sla_violation_rate: number("app_sla_violation_rate", facts.app_sla_violation_rate, 1.0),
        avg_invocation_rate_per_minute: number(
            "app_avg_invocation_rate_per_minute",
            facts.app_avg_invocation_rate_per_minute,
            f64::MAX,
        ),
        is_bursty: facts.app_is_bursty,
    };
    let current = facts
        .current
        .as_ref()
        .and_then(|current| placement_from_pb(current, "facts.current", violations));
    let home = match facts.home_region {
        0 => None,
        value => region_from_pb(value).or_else(|| {
            violations.add("facts.home_region", format_args!("must be 0 to 4, is {value}"));
            None
        }),
    };
    let data_provider = match facts.data_provider {
        0 => None,
        value => provider_from_pb(value).or_else(|| {
            violations.add("facts.data_provider", format_args!("must be 0 to 3, is {value}"));
            None
        }),
    };
    let weights = facts.weights.as_ref().map(|weights| {
        Weights::new(weights.cost, weights.performance, weights.carbon).unwrap_or_else(|error| {
            violations.add("facts.weights", error);
            Weights::default()
        })
    });
    let expected = expected_from_pb(&facts.expected_objectives, violations);
    let calls = facts.calls.as_ref();
    let (idle_seconds, recent_gaps) =
        calls.map(|calls| calls_from_pb(calls, "facts.calls", violations)).unwrap_or_default();
    Some(FunctionFacts {
        at: at?,
        invocation_rate_per_minute: rate,
        inter_arrival: Millis::new(inter_arrival),
        idle_seconds,
        recent_gaps,
        duration: Millis::new(duration),
        avg_duration: Millis::new(avg_duration),
        std_duration: Millis::new(std_duration),
        memory: Megabytes::new(memory),
        avg_cost: Usd::new(avg_cost),
        avg_carbon: GramsCo2e::new(avg_carbon),
        cold_start_rate,
        application,
        current,
        home: home.or(current.map(|placement| placement.region)).unwrap_or(Region::UsEast),
        data_provider,
        request_bytes,
        response_bytes,
        cpu_share: cpu_share.unwrap_or(TYPICAL_CPU_SHARE),
        objective: Objective {
            weights: weights.unwrap_or_default(),
            sla_ms: if slo_ms > 0.0 { slo_ms } else { DEFAULT_SLA_MS },
            sla_penalty: late_penalty.unwrap_or(Objective::tactical().sla_penalty),
        },
        expected,
    })
}

/// The expected objective of every placement, if they were given.
fn expected_from_pb(
    values: &[f32],
    violations: &mut Violations,
) -> Option<Box<[f32; Placement::COUNT]>> {
    if values.is_empty() {
        return None;
    }
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let range = format_args!("must be finite, is {}", values[index]);
        violations.add(format_args!("facts.expected_objectives[{index}]"), range);
    }
    let expected = <[f32; Placement::COUNT]>::try_from(values).ok();
    if expected.is_none() {
        let range = format_args!("must be {} or none, are {}", Placement::COUNT, values.len());
        violations.add("facts.expected_objectives", range);
    }
    expected.map(Box::new)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Facts in which every field has a value of its own.
    pub(crate) fn valid() -> pb::FunctionFacts {
        pb::FunctionFacts {
            at: Some(prost_types::Timestamp { seconds: 1_563_197_400, nanos: 0 }),
            invocation_rate_per_minute: 30.0,
            inter_arrival_ms: 2000.0,
            duration_ms: 120.0,
            avg_duration_ms: 100.0,
            std_duration_ms: 25.0,
            memory_mb: 170.0,
            avg_cost_usd: 2e-6,
            avg_carbon_g: 1e-4,
            cold_start_rate: 0.02,
            app_cold_start_rate: 0.05,
            app_sla_violation_rate: 0.01,
            app_avg_invocation_rate_per_minute: 40.0,
            app_is_bursty: true,
            current: Some(pb::Placement {
                provider: pb::Provider::Gcp.into(),
                region: pb::Region::EuWest1.into(),
                memory_mb: 512,
                provider_region: "ignored".to_owned(),
            }),
            home_region: 0,
            data_provider: pb::Provider::Azure.into(),
            request_bytes: 700.0,
            response_bytes: 3000.0,
            cpu_share: Some(0.8),
            weights: Some(pb::ObjectiveWeights { cost: 1.0, performance: 3.0, carbon: 0.0 }),
            latency_slo_ms: 400.0,
            late_penalty: Some(3.5),
            calls: Some(pb::CallHistory {
                idle_seconds: Some(90.0),
                gap_seconds: vec![60.0, 120.0],
                ..Default::default()
            }),
            expected_objectives: Vec::new(),
        }
    }

    /// The fields named when `spoil` was done to valid facts.
    fn wrong_fields(spoil: impl FnOnce(&mut pb::FunctionFacts)) -> Vec<String> {
        let mut facts = valid();
        spoil(&mut facts);
        let mut violations = Violations::new();
        let _ = facts_from_pb(Some(&facts), &mut violations);
        violations.into_fault().violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn valid_facts_are_read_and_home_falls_back_to_where_it_runs() {
        let mut violations = Violations::new();
        let facts = facts_from_pb(Some(&valid()), &mut violations);
        assert!(violations.is_empty());
        let facts = facts.map(|facts| (facts.home, facts.memory.get(), facts.std_duration.get()));
        assert_eq!(facts, Some((Region::EuWest, 170.0, 25.0)));
    }

    #[test]
    fn what_is_wanted_is_read_and_has_defaults() {
        let read = |facts: pb::FunctionFacts| {
            facts_from_pb(Some(&facts), &mut Violations::new()).map(|facts| facts.objective)
        };
        let asked = read(valid()).map(|o| (o.weights.performance(), o.sla_ms, o.sla_penalty));
        assert_eq!(asked, Some((0.75, 400.0, 3.5)));
        let silent =
            pb::FunctionFacts { weights: None, latency_slo_ms: 0.0, late_penalty: None, ..valid() };
        assert_eq!(read(silent), Some(Objective::tactical()));
        let forgiving = pb::FunctionFacts { late_penalty: Some(0.0), ..valid() };
        assert_eq!(read(forgiving).map(|objective| objective.sla_penalty), Some(0.0));
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(wrong_fields(|facts| facts.at = None), ["facts.at"]);
        let calls = |gap_seconds| pb::CallHistory { gap_seconds, ..Default::default() };
        assert_eq!(
            wrong_fields(|facts| facts.calls = Some(calls(vec![1.0, -1.0]))),
            ["facts.calls.gap_seconds[1]"]
        );
        assert_eq!(
            wrong_fields(|facts| facts.calls = Some(calls(vec![1.0; 17]))),
            ["facts.calls.gap_seconds"]
        );
        let expected = |values| wrong_fields(|facts| facts.expected_objectives = values);
        assert_eq!(expected(vec![0.5; 72]), [""; 0]);
        assert_eq!(expected(vec![0.5; 71]), ["facts.expected_objectives"]);
        let holed = (0..72).map(|index| if index == 3 { f32::NAN } else { 0.5 }).collect();
        assert_eq!(expected(holed), ["facts.expected_objectives[3]"]);
        assert_eq!(wrong_fields(|f| f.duration_ms = f64::NAN), ["facts.duration_ms"]);
        assert_eq!(wrong_fields(|f| f.avg_cost_usd = -1e-9), ["facts.avg_cost_usd"]);
        assert_eq!(wrong_fields(|f| f.memory_mb = f64::INFINITY), ["facts.memory_mb"]);
        assert_eq!(wrong_fields(|f| f.home_region = 9), ["facts.home_region"]);
        for penalty in [-0.1, 100.5, f64::NAN, f64::INFINITY] {
            let named = wrong_fields(|f| f.late_penalty = Some(penalty));
            assert_eq!(named, ["facts.late_penalty"], "{penalty}");
        }
        let spoil = |facts: &mut pb::FunctionFacts| {
            (facts.cold_start_rate, facts.app_cold_start_rate) = (1.1, -0.1);
            facts.current = Some(pb::Placement::default());
        };
        assert_eq!(
            wrong_fields(spoil),
            [
                "facts.cold_start_rate",
                "facts.app_cold_start_rate",
                "facts.current.provider",
                "facts.current.region",
                "facts.current.memory_mb",
            ]
        );
    }
}
