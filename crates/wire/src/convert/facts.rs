//! The facts of a function: checked when they are read, complete when they are written.

use strata_domain::{
    ApplicationFacts, Catalogue, DEFAULT_SLA_MS, FunctionFacts, GramsCo2e, Location,
    MAX_SLA_PENALTY, Megabytes, Millis, Objective, Running, TYPICAL_CPU_SHARE, Usd, UtcTime,
};

use super::{
    calls_from_pb, calls_to_pb,
    placement::{LocationFields, Places, home_to_pb, location_from_pb, placement_to_pb},
    time_from_pb, time_to_pb, weights_from_pb, weights_to_pb,
};
use crate::{Violations, pb};

/// Reads the facts from the message at path `facts`; `None` without a timestamp. Adds a violation
/// for every field that is missing or wrong; if there are violations, the facts must not be used.
pub fn facts_from_pb(
    facts: Option<&pb::FunctionFacts>,
    violations: &mut Violations,
) -> Option<FunctionFacts> {
    let Some(facts) = facts else {
        violations.add("facts", "must be given");
        return None;
    };
    let at = moment(facts, violations);
    let mut number = |name: &str, value: f64, max: f64| {
        violations.number(format_args!("facts.{name}"), value, 0.0..=max)
    };
    let any = f64::MAX;
    let rate = number("invocation_rate_per_minute", facts.invocation_rate_per_minute, any);
    let inter_arrival = number("inter_arrival_ms", facts.inter_arrival_ms, any);
    let duration = number("duration_ms", facts.duration_ms, any);
    let avg_duration = number("avg_duration_ms", facts.avg_duration_ms, any);
    let std_duration = number("std_duration_ms", facts.std_duration_ms, any);
    let memory = number("memory_mb", facts.memory_mb, any);
    let avg_cost = number("avg_cost_usd", facts.avg_cost_usd, any);
    let avg_carbon = number("avg_carbon_g", facts.avg_carbon_g, any);
    let cold_start_rate = number("cold_start_rate", facts.cold_start_rate, 1.0);
    let request_bytes = number("request_bytes", facts.request_bytes, any);
    let response_bytes = number("response_bytes", facts.response_bytes, any);
    let cpu_share = facts.cpu_share.map(|share| number("cpu_share", share, 1.0));
    let objective = objective(facts, violations);
    let application = application(facts, violations);
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
        request_bytes,
        response_bytes,
        cpu_share: cpu_share.unwrap_or(TYPICAL_CPU_SHARE),
        objective,
    })
}

fn moment(facts: &pb::FunctionFacts, violations: &mut Violations) -> Option<UtcTime> {
    let Some(at) = &facts.at else {
        violations.add("facts.at", "must be given");
        return None;
    };
    time_from_pb(at, "facts.at", violations)
}

/// Reads where the function of checked facts is, in terms of a catalogue. Adds a violation for
/// every name that the catalogue does not have, of where it runs too: an estimate needs all.
pub fn facts_location_from_pb(
    catalogue: &Catalogue,
    facts: &pb::FunctionFacts,
    violations: &mut Violations,
) -> Location {
    const FIELDS: LocationFields = LocationFields {
        current: "facts.current",
        home: "facts.home",
        data_provider: "facts.data_provider",
    };
    let places = Places {
        current: facts.current.as_ref(),
        home: facts.home.as_ref(),
        data_provider: &facts.data_provider,
        fields: FIELDS,
    };
    let mut outside = Vec::new();
    let location = location_from_pb(catalogue, places, violations, &mut outside);
    for field in outside {
        let text =
            format_args!("the catalogue `{}` of this layer does not have it", catalogue.name());
        violations.add(field, text);
    }
    location
}

fn application(facts: &pb::FunctionFacts, violations: &mut Violations) -> ApplicationFacts {
    let mut number = |name: &str, value: f64, max: f64| {
        violations.number(format_args!("facts.{name}"), value, 0.0..=max)
    };
    ApplicationFacts {
        cold_start_rate: number("app_cold_start_rate", facts.app_cold_start_rate, 1.0),
        sla_violation_rate: number("app_sla_violation_rate", facts.app_sla_violation_rate, 1.0),
        avg_invocation_rate_per_minute: number(
            "app_avg_invocation_rate_per_minute",
            facts.app_avg_invocation_rate_per_minute,
            f64::MAX,
        ),
        is_bursty: facts.app_is_bursty,
    }
}

fn objective(facts: &pb::FunctionFacts, violations: &mut Violations) -> Objective {
    let range = 0.0..=MAX_SLA_PENALTY;
    let penalty = violations.optional_number("facts.late_penalty", facts.late_penalty, range);
    let slo_ms = violations.number("facts.latency_slo_ms", facts.latency_slo_ms, 0.0..=f64::MAX);
    Objective {
        weights: weights_from_pb(facts.weights.as_ref(), "facts.weights", violations),
        sla_ms: if slo_ms > 0.0 { slo_ms } else { DEFAULT_SLA_MS },
        sla_penalty: penalty.unwrap_or(Objective::tactical().sla_penalty),
    }
}

/// Writes the facts of a function, and where it is, to a message.
pub fn facts_to_pb(
    catalogue: &Catalogue,
    facts: &FunctionFacts,
    location: &Location,
) -> pb::FunctionFacts {
    // A layer has no use for a place that the catalogue does not have.
    let current = location.current.and_then(Running::placement);
    let current = current.map(|current| placement_to_pb(catalogue, current));
    let data = location.home.data.map(|data| catalogue.provider_of_region(data));
    let ApplicationFacts {
        cold_start_rate: app_cold_start_rate,
        sla_violation_rate: app_sla_violation_rate,
        avg_invocation_rate_per_minute: app_avg_invocation_rate_per_minute,
        is_bursty: app_is_bursty,
    } = facts.application;
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
        app_cold_start_rate,
        app_sla_violation_rate,
        app_avg_invocation_rate_per_minute,
        app_is_bursty,
        current,
        home: Some(home_to_pb(catalogue, location.home.callers)),
        data_provider: data.map_or_else(String::new, |data| catalogue.provider(data).to_owned()),
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
        cpu_share: Some(facts.cpu_share),
        weights: Some(weights_to_pb(facts.objective.weights)),
        latency_slo_ms: facts.objective.sla_ms,
        late_penalty: Some(facts.objective.sla_penalty),
        calls: calls_to_pb(facts.idle_seconds, &facts.recent_gaps),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use prost::Message;
    use strata_domain::{Home, Origin, RecentGaps, Weights};

    use super::*;

    /// Facts in which every field has a distinct value.
    fn valid() -> pb::FunctionFacts {
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
                platform: "gcp-functions-gen1".to_owned(),
                region: "europe-west1".to_owned(),
                memory_mb: 512,
                provider: "ignored".to_owned(),
            }),
            home: None,
            data_provider: "azure".to_owned(),
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
        }
    }

    fn research() -> Catalogue {
        strata_catalogue::built_in("research").catalogue
    }

    /// The fields with violations after `spoil` was applied to valid facts.
    fn wrong_fields(spoil: impl FnOnce(&mut pb::FunctionFacts)) -> Vec<String> {
        let mut facts = valid();
        spoil(&mut facts);
        let mut violations = Violations::new();
        let _ = facts_from_pb(Some(&facts), &mut violations);
        facts_location_from_pb(&research(), &facts, &mut violations);
        violations.into_fault().violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn valid_facts_are_read_and_home_falls_back_to_where_it_runs() {
        let mut violations = Violations::new();
        let facts = facts_from_pb(Some(&valid()), &mut violations);
        let catalogue = research();
        let location = facts_location_from_pb(&catalogue, &valid(), &mut violations);
        assert!(violations.is_empty());
        let facts = facts.map(|facts| (facts.memory.get(), facts.std_duration.get()));
        assert_eq!(facts, Some((170.0, 25.0)));
        let home = catalogue.find_area("eu-west").map(Origin::Area);
        assert_eq!(Some(location.home.callers), home);
        let data = location.home.data.map(|data| catalogue.region(data).name.clone());
        assert_eq!(data.as_deref(), Some("northeurope"));
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
        assert_eq!(wrong_fields(|f| f.duration_ms = f64::NAN), ["facts.duration_ms"]);
        assert_eq!(wrong_fields(|f| f.avg_cost_usd = -1e-9), ["facts.avg_cost_usd"]);
        assert_eq!(wrong_fields(|f| f.memory_mb = f64::INFINITY), ["facts.memory_mb"]);
        let area = |name: &str| pb::Home { place: Some(pb::home::Place::Area(name.to_owned())) };
        assert_eq!(wrong_fields(|f| f.home = Some(area("eu-wset"))), ["facts.home.area"]);
        assert_eq!(wrong_fields(|f| f.data_provider = "ovh".to_owned()), ["facts.data_provider"]);
        let elsewhere = |f: &mut pb::FunctionFacts| {
            let current = f.current.iter_mut();
            current.for_each(|current| current.region = "europe-west3".to_owned());
        };
        assert_eq!(wrong_fields(elsewhere), ["facts.current.region"]);
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
                "facts.current.platform",
                "facts.current.region",
                "facts.current.memory_mb",
            ]
        );
    }

    /// Facts with every field drawn from its valid range, and a location.
    fn any_facts() -> impl Strategy<Value = (FunctionFacts, Location)> {
        let catalogue = research();
        let numbers = prop::array::uniform11(0.0..1e6f64);
        let shares = prop::array::uniform4(0.0..=1.0f64);
        let gaps = prop::collection::vec(0.0..1e5f64, 0..=RecentGaps::MOST);
        let places = (0..64usize, 0..4usize, 0..4usize);
        let given = (any::<[bool; 2]>(), prop::option::of(0.0..1e6f64));
        let objective = (0..=4u8, 1.0..1e5f64, 0.0..=MAX_SLA_PENALTY);
        (numbers, shares, gaps, places, given, objective, 0..LAST_DAY).prop_map(
            move |(n, share, gaps, (placement, home, data), (flags, idle), objective, day)| {
                let (cost, sla_ms, sla_penalty) = objective;
                let cost = f64::from(cost) / 4.0;
                let callers = catalogue.areas().nth(home).map(|(id, _)| Origin::Area(id)).unwrap();
                let data = catalogue.providers().nth(data);
                let data = data.and_then(|(id, _)| catalogue.nearest_region(id, callers));
                let current = catalogue.candidates()[placement];
                let current = flags[1].then(|| current.into());
                let location = Location { current, home: Home { callers, data } };
                let facts = FunctionFacts {
                    at: UtcTime::from_unix_seconds(day * 86_400 + 17),
                    invocation_rate_per_minute: n[0],
                    inter_arrival: Millis::new(n[1]),
                    idle_seconds: idle,
                    recent_gaps: gaps.into_iter().collect(),
                    duration: Millis::new(n[2]),
                    avg_duration: Millis::new(n[3]),
                    std_duration: Millis::new(n[4]),
                    memory: Megabytes::new(n[5]),
                    avg_cost: Usd::new(n[6]),
                    avg_carbon: GramsCo2e::new(n[7]),
                    cold_start_rate: share[0],
                    application: ApplicationFacts {
                        cold_start_rate: share[1],
                        sla_violation_rate: share[2],
                        avg_invocation_rate_per_minute: n[8],
                        is_bursty: flags[0],
                    },
                    request_bytes: n[9],
                    response_bytes: n[10],
                    cpu_share: share[3],
                    objective: Objective {
                        weights: Weights::new(cost, 1.0 - cost, 0.0).unwrap(),
                        sla_ms,
                        sla_penalty,
                    },
                };
                (facts, location)
            },
        )
    }

    /// The last day that the contract allows, in days since 1970.
    const LAST_DAY: i64 = 2_932_896;

    proptest! {
        #[test]
        fn facts_survive_the_wire((facts, location) in any_facts()) {
            let catalogue = research();
            let bytes = facts_to_pb(&catalogue, &facts, &location).encode_to_vec();
            let message = pb::FunctionFacts::decode(&*bytes).unwrap();
            let mut violations = Violations::new();
            prop_assert_eq!(facts_from_pb(Some(&message), &mut violations), Some(facts));
            let read = facts_location_from_pb(&catalogue, &message, &mut violations);
            prop_assert_eq!(read, location);
            prop_assert!(violations.is_empty());
        }
    }
}
