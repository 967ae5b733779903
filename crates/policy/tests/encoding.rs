//! What the encoders promise, over arbitrary facts.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strata_catalogue::{RESEARCH, built_in};
use strata_domain::{
    ApplicationFacts, Catalogue, FunctionFacts, GramsCo2e, Home, Location, Megabytes, Millis,
    Objective, Origin, Outlook, Running, Usd, UtcTime,
};
use strata_policy::{
    SchemaError,
    operational::{self, CallHistory, Decoder, Observation, Step},
    research::{Action, Area, Grid, Provider, ResearchLocation, Situation, strategic, tactical},
};

/// On AWS in Ireland, with callers in Virginia whose data is on Azure.
const LOCATION: ResearchLocation = ResearchLocation {
    runs_on: Some(Provider::Aws),
    runs_in: Some(Area::EuWest),
    home: Area::UsEast,
    data: Some(Provider::Azure),
};
/// Expected objectives that a row does not take.
const ON_PROVIDERS: [f32; strategic::ACTIONS] = [0.0; strategic::ACTIONS];
const AT_ACTIONS: [f32; tactical::ACTIONS] = [0.0; tactical::ACTIONS];

/// Before a provider is chosen.
fn before<'a>(facts: &'a FunctionFacts, expected: &'a [f32]) -> Situation<'a> {
    Situation { facts, location: LOCATION, provider: None, expected }
}

/// On a provider that was chosen.
fn on<'a>(provider: Provider, facts: &'a FunctionFacts, expected: &'a [f32]) -> Situation<'a> {
    Situation { provider: Some(provider), ..before(facts, expected) }
}

/// The same place in terms of the catalogue.
fn location(catalogue: &Catalogue) -> Location {
    let region = |provider: &str, name: &str| {
        catalogue.find_region(catalogue.find_provider(provider).unwrap(), name)
    };
    let current = Running {
        platform: catalogue.find_platform("aws-lambda").unwrap(),
        region: region("aws", "eu-west-1"),
        memory_mb: 256,
    };
    let callers = Origin::Area(catalogue.find_area("us-east").unwrap());
    Location { current: Some(current), home: Home { callers, data: region("azure", "eastus") } }
}

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
        request_bytes: 900.0,
        response_bytes: 4000.0,
        cpu_share: 0.6,
        objective: Objective::tactical(),
    }
}

#[test]
fn strategic_state_follows_the_order_of_the_framework() {
    let encoder = strategic::Encoder::of_names(&strategic::DEFAULT_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&before(&facts(), &ON_PROVIDERS), &mut row);
    let expected =
        [13.0, 0.0, 0.0, 1.0, 1000.0, 1.0, 100.0, 2.5e-6, 0.004, 170.0, 0.05, 0.01, 40.0, 0.0];
    assert_eq!(row, expected);
}

#[test]
fn tactical_state_sees_the_provider_chosen_above() {
    let encoder = tactical::Encoder::of_names(&tactical::DEFAULT_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&on(Provider::Gcp, &facts(), &AT_ACTIONS), &mut row);
    assert_eq!(row, [120.0, 170.0, 1000.0, 0.02, 100.0, 30.0, 1.0, 0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn version_two_ends_with_what_is_expected_of_each_action() {
    let expected: [f32; tactical::ACTIONS] = std::array::from_fn(|index| index as f32 / -10.0);
    let encoder = tactical::Encoder::of_names(&tactical::EXTENDED_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&on(Provider::Gcp, &facts(), &expected), &mut row);
    assert_eq!(row[row.len() - tactical::ACTIONS..], expected);
    let encoder = strategic::Encoder::of_names(&strategic::EXTENDED_FEATURES).unwrap();
    let mut row = Vec::new();
    encoder.encode(&before(&facts(), &[0.5, -7.0, 0.25]), &mut row);
    // Objectives below -5, because of penalties, count as -5.
    assert_eq!(row[row.len() - strategic::ACTIONS..], [0.5, -5.0, 0.25]);
    assert!(encoder.needs_expected());
    assert!(!strategic::Encoder::of_names(&strategic::DEFAULT_FEATURES).unwrap().needs_expected());
}

#[test]
fn the_grid_finds_the_framework_in_the_catalogue() {
    let catalogue = built_in(RESEARCH).catalogue;
    let grid = Grid::of(&catalogue).unwrap();
    assert_eq!(grid.locate(&catalogue, &location(&catalogue)), LOCATION);
    let mut sold = 0;
    for provider in Provider::ALL {
        for action in (0..tactical::ACTIONS).filter_map(Action::from_index) {
            let Some(id) = grid.candidate(provider, action) else { continue };
            let placement = catalogue.candidate(id);
            assert_eq!(catalogue.platform(placement.platform).name, provider.platform());
            assert_eq!(grid.area_of(placement.region), Some(action.area));
            assert_eq!(placement.memory_mb, action.tier.megabytes());
            sold += 1;
        }
    }
    assert_eq!(sold, catalogue.candidates().len());
}

#[test]
fn a_catalogue_without_the_framework_has_no_grid() {
    let world = built_in("world").catalogue;
    let error = Grid::of(&world).unwrap_err().to_string();
    assert!(error.contains("`world`") && error.contains("azure-functions-consumption"), "{error}");
}

#[test]
fn the_best_of_the_outlook_is_the_best_of_its_estimates() {
    let catalogue = built_in(RESEARCH).catalogue;
    let location = location(&catalogue);
    let outlook: Outlook = facts().outlook(&catalogue, &location, FunctionFacts::STAY_MINUTES);
    let best = outlook.objective(outlook.best().unwrap());
    assert!(catalogue.candidate_ids().all(|id| outlook.objective(id) <= best));
}

#[test]
fn a_model_may_take_features_in_any_order_and_number() {
    let encoder = strategic::Encoder::resolve([("runs_on_aws", "1"), ("hour", "h")]).unwrap();
    let mut row = Vec::new();
    encoder.encode(&before(&facts(), &ON_PROVIDERS), &mut row);
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
fn re_expressing_keeps_the_work_and_changes_the_share() {
    let step = Step { memory_util: 0.5, cpu_util: 0.4, request_rate: 3.0, ..Step::default() };
    let up = step.re_expressed(256, 512);
    assert_eq!((up.memory_util, up.cpu_util, up.request_rate), (0.25, 0.2, 3.0));
    let down = step.re_expressed(512, 128);
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
        encoder.encode(&on(Provider::Aws, &facts, &AT_ACTIONS), &mut row);
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
        let observation = Observation { window: &window, calls, keep_alive_minutes: 16.0 };
        encoder.encode(&observation, &mut row);
        prop_assert_eq!(row.len(), encoder.width());
        for step in row.chunks(operational::EXTENDED_FEATURES.len()) {
            for ((name, _, min, max), value) in encoder.features().zip(step) {
                prop_assert!((min as f32..=max as f32).contains(value), "{name} = {value}");
            }
        }
    }
}
