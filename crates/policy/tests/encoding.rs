//! What the encoders promise, over arbitrary facts.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strata_domain::{
    ApplicationFacts, FunctionFacts, GramsCo2e, Megabytes, MemoryTier, Millis, Objective,
    Placement, Provider, Region, Usd, UtcTime,
};
use strata_policy::{
    SchemaError,
    operational::{self, CallHistory, Decoder, Observation, Step},
    strategic, tactical,
};

fn facts() -> FunctionFacts {
    FunctionFacts {
        at: UtcTime::from_unix_seconds(1_563_197_400), // Monday 13:30
        invocation_rate_per_minute: 2400.0,
        inter_arrival: Millis::new(25.0),
        idle_seconds: Some(40.0),
        recent_gaps: [60.0, 90.0].into_iter().collect(),
        duration: Millis::new(120.0),
        avg_duration: Millis::new(100.0),
        std_duration: Millis::new(30.0),
        memory: Megabytes::new(170.0),
        avg_cost: Usd::new(2.5e-6),
        avg_carbon: GramsCo2e::new(0.004),
        cold_start_rate: 0.02,
        application: ApplicationFacts {
            cold_start_rate: 0.05,
            sla_violation_rate: 0.01,
            avg_invocation_rate_per_minute: 40.0,
            is_bursty: false,
        },
        current: Some(Placement {
            provider: Provider::Aws,
            region: Region::EuWest,
            memory: MemoryTier::Mb256,
        }),
        home: Region::UsEast,
        data_provider: Some(Provider::Azure),
        request_bytes: 900.0,
        response_bytes: 4000.0,
        cpu_share: 0.6,
        expected: None,
        objective: Objective::tactical(),
    }
}

#[test]
fn strategic_state_follows_the_order_of_the_framework() {
    let encoder = strategic::Encoder::of_names(&strategic::DEFAULT_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&facts(), &mut row);
    let expected =
        [13.0, 0.0, 0.0, 1.0, 1000.0, 1.0, 100.0, 2.5e-6, 0.004, 170.0, 0.05, 0.01, 40.0, 0.0];
    assert_eq!(row, expected);
}

#[test]
fn tactical_state_sees_the_provider_chosen_above() {
    let encoder = tactical::Encoder::of_names(&tactical::DEFAULT_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&facts(), Provider::Gcp, &mut row);
    assert_eq!(row, [120.0, 170.0, 1000.0, 0.02, 100.0, 30.0, 1.0, 0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn version_two_ends_with_what_the_formulas_expect() {
    let (facts, outlook) = (facts(), facts().outlook(FunctionFacts::STAY_MINUTES));
    let encoder = tactical::Encoder::of_names(&tactical::EXTENDED_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&facts, Provider::Gcp, &mut row);
    let expected = &row[row.len() - tactical::ACTIONS..];
    for (index, value) in expected.iter().enumerate() {
        let tactical::Action { region, memory } = tactical::Action::from_index(index).unwrap();
        let placement = Placement { provider: Provider::Gcp, region, memory };
        assert_eq!(*value, outlook.objective(placement).max(-5.0) as f32, "{placement}");
    }
    let encoder = strategic::Encoder::of_names(&strategic::EXTENDED_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&facts, &mut row);
    let best = outlook.best().unwrap();
    let on_best = row[row.len() - strategic::ACTIONS + best.provider.index()];
    assert_eq!(on_best, outlook.objective(best) as f32);
    assert!(row[row.len() - strategic::ACTIONS..].iter().all(|value| *value <= on_best));
}

#[test]
fn a_model_may_take_features_in_any_order_and_number() {
    let encoder = strategic::Encoder::resolve([("runs_on_aws", "1"), ("hour", "h")]).unwrap();
    let mut row = Vec::new();
    encoder.encode(&facts(), &mut row);
    assert_eq!(row, [1.0, 13.0]);
}

#[test]
fn what_cannot_be_given_is_refused_by_name() {
    let unknown = strategic::Encoder::resolve([("moon_phase", "1")]).unwrap_err();
    assert!(unknown.to_string().contains("`moon_phase`") && unknown.to_string().contains("hour"));
    let unit = strategic::Encoder::resolve([("avg_duration", "s")]).unwrap_err();
    assert_eq!(
        unit.to_string(),
        "feature `avg_duration` is wanted in `s`, and is computed in `ms`"
    );
    let early = strategic::Encoder::resolve([("provider_aws", "1")]).unwrap_err();
    assert_eq!(early, SchemaError::TooEarly { name: "provider_aws".to_owned() });
}

#[test]
fn expected_objectives_are_those_given_and_else_worked_out() {
    let names = ["expected_objective_gcp", "expected_objective_eu_west_1_512"];
    let row = |facts: &FunctionFacts| {
        let mut row = Vec::new();
        let encoder = tactical::Encoder::of_names(&names).unwrap();
        encoder.encode(facts, Provider::Gcp, &mut row);
        row
    };
    let outlook = facts().outlook(FunctionFacts::STAY_MINUTES);
    let mut expected: Vec<_> = Placement::all().map(|p| outlook.objective(p) as f32).collect();
    let given = |expected: &[f32]| FunctionFacts {
        expected: Some(Box::new(expected.try_into().unwrap())),
        ..facts()
    };
    assert_eq!(row(&given(&expected)), row(&facts()));
    expected.fill(0.25);
    assert_eq!(row(&given(&expected)), [0.25, 0.25]);
}

#[test]
fn re_expressing_keeps_the_work_and_changes_the_share() {
    let step = Step { memory_util: 0.5, cpu_util: 0.4, request_rate: 3.0, ..Step::default() };
    let up = step.re_expressed(MemoryTier::Mb256, MemoryTier::Mb512);
    assert_eq!((up.memory_util, up.cpu_util, up.request_rate), (0.25, 0.2, 3.0));
    let down = step.re_expressed(MemoryTier::Mb512, MemoryTier::Mb128);
    assert_eq!((down.memory_util, down.cpu_util), (1.0, 1.0));
}

#[test]
fn forecasts_are_read_by_label_and_bounded() {
    let labels = ["cpu_util", "request_rate", "memory_util"].map(str::to_owned);
    let forecast = Decoder::resolve(&labels).unwrap().decode(&[1.5, -2.0, 0.25]).unwrap();
    assert_eq!((forecast.request_rate, forecast.memory_util, forecast.cpu_util), (0.0, 0.25, 1.0));
    assert_eq!(Decoder::resolve(&labels[..2]).unwrap_err(), "memory_util");
}

proptest! {
    #[test]
    fn every_number_of_a_row_is_within_its_features_bounds(
        rate in 0.0..1e12f64,
        gap in 0.0..1e12f64,
        duration in 0.0..1e12f64,
        at in 0i64..4_000_000_000,
    ) {
        let facts = FunctionFacts {
            at: UtcTime::from_unix_seconds(at),
            invocation_rate_per_minute: rate,
            inter_arrival: Millis::new(gap),
            duration: Millis::new(duration),
            ..facts()
        };
        let encoder = tactical::Encoder::of_names(&[
            "hour", "day_of_week", "hour_sin", "invocation_rate", "inter_arrival_time", "duration",
        ]).unwrap();
        let mut row = Vec::new();
        encoder.encode(&facts, Provider::Aws, &mut row);
        for ((name, _, min, max), value) in encoder.features().zip(&row) {
            prop_assert!((min as f32..=max as f32).contains(value), "{name} = {value}");
        }
    }

    #[test]
    fn a_window_has_as_many_numbers_as_it_says_all_within_bounds(
        rate in 0.0..1e9f64,
        idle in prop::option::of(0.0..f64::MAX),
        gaps in prop::collection::vec(0.0..f64::MAX, 0..20),
    ) {
        let encoder = operational::Encoder::of_names(&operational::EXTENDED_FEATURES).unwrap();
        let window = [Step { request_rate: rate, ..Step::default() }; 12];
        let gaps = gaps.into_iter().collect();
        let calls = CallHistory { idle_seconds: idle, gaps, ..CallHistory::default() };
        let mut row = Vec::new();
        encoder.encode(&Observation { window: &window, calls, provider: Provider::Gcp }, &mut row);
        prop_assert_eq!(row.len(), encoder.width());
        for step in row.chunks(operational::EXTENDED_FEATURES.len()) {
            for ((name, _, min, max), value) in encoder.features().zip(step) {
                prop_assert!((min as f32..=max as f32).contains(value), "{name} = {value}");
            }
        }
    }
}
