//! The features of a function about to be placed.

use std::cell::OnceCell;

use strata_domain::{FunctionFacts, Outlook, Placement, Provider, Region};

use crate::{Feature, tactical::Action};

/// What the strategic and the tactical model look at.
#[derive(Debug, Clone)]
pub(crate) struct Situation<'a> {
    facts: &'a FunctionFacts,
    /// The provider chosen above; the strategic layer has none.
    provider: Option<Provider>,
    /// Worked out for the first feature that asks, and never for a model that does not.
    outlook: OnceCell<Box<Outlook>>,
}

impl<'a> Situation<'a> {
    pub(crate) fn new(facts: &'a FunctionFacts, provider: Option<Provider>) -> Self {
        Self { facts, provider, outlook: OnceCell::new() }
    }

    /// The expected objective of a placement: as it was given, or worked out.
    fn expected(&self, placement: Placement) -> f64 {
        if let Some(expected) = &self.facts.expected {
            return f64::from(expected[placement.index()]);
        }
        let judge = || Box::new(self.facts.outlook(FunctionFacts::STAY_MINUTES));
        self.outlook.get_or_init(judge).objective(placement)
    }

    /// The best expected objective on a provider.
    fn best_on(&self, provider: Provider) -> f64 {
        let here = Placement::all().filter(|placement| placement.provider == provider);
        here.map(|placement| self.expected(placement)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The expected objective of a region and memory size on the chosen provider.
    fn objective_of(&self, action: usize) -> f64 {
        match (self.provider, Action::from_index(action)) {
            (Some(provider), Some(Action { region, memory })) => {
                self.expected(Placement { provider, region, memory })
            }
            _ => 0.0,
        }
    }
}

pub(crate) type SituationFeature = Feature<fn(&Situation<'_>) -> f64>;

/// Rates above this are not told apart, as in the research framework.
const MAX_RATE_PER_MINUTE: f64 = 1000.0;
/// The longest run any provider allows is 60 minutes.
const MAX_DURATION_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 86_400_000.0;

const fn feature(
    (name, unit): (&'static str, &'static str),
    (min, max): (f64, f64),
    formula: &'static str,
    value: fn(&Situation<'_>) -> f64,
) -> SituationFeature {
    Feature { name, unit, min, max, formula, value }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn is_provider(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.provider == Some(provider))
}

/// Objectives are at most 1, and penalties not told apart below this.
const LEAST_OBJECTIVE: f64 = -5.0;

fn lives(situation: &Situation<'_>, region: Region) -> f64 {
    flag(situation.facts.home == region)
}

fn data_at(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.facts.data_provider == Some(provider))
}

fn runs_on(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.facts.current.is_some_and(|placement| placement.provider == provider))
}

/// Features of the function alone.
pub(crate) const FUNCTION_FEATURES: &[SituationFeature] = &[
    feature(("hour", "h"), (0.0, 23.0), "hour of the day, UTC", |s| f64::from(s.facts.at.hour())),
    feature(("hour_sin", "1"), (-1.0, 1.0), "sin(2 pi seconds of the day / 86400)", |s| {
        s.facts.at.hour_sin()
    }),
    feature(("day_of_week", "d"), (0.0, 6.0), "Monday 0 to Sunday 6, UTC", |s| {
        f64::from(s.facts.at.weekday())
    }),
    feature(("is_weekend", "1"), (0.0, 1.0), "day_of_week >= 5", |s| flag(s.facts.at.is_weekend())),
    feature(("is_business_hours", "1"), (0.0, 1.0), "9 <= hour <= 17", |s| {
        flag(s.facts.at.is_business_hours())
    }),
    feature(
        ("invocation_rate", "1/min"),
        (0.0, MAX_RATE_PER_MINUTE),
        "invocations per minute, at most 1000",
        |s| s.facts.invocation_rate_per_minute,
    ),
    feature(
        ("inter_arrival_time", "ms"),
        (0.0, DAY_MS),
        "mean time between invocations, at most a day",
        |s| s.facts.inter_arrival.get(),
    ),
    feature(("is_bursty", "1"), (0.0, 1.0), "inter_arrival_time < 100 ms", |s| {
        flag(s.facts.is_bursty())
    }),
    feature(("duration", "ms"), (0.0, MAX_DURATION_MS), "latest run time, warm", |s| {
        s.facts.duration.get()
    }),
    feature(("avg_duration", "ms"), (0.0, MAX_DURATION_MS), "mean run time", |s| {
        s.facts.avg_duration.get()
    }),
    feature(
        ("std_duration", "ms"),
        (0.0, MAX_DURATION_MS),
        "standard deviation of the run time",
        |s| s.facts.std_duration.get(),
    ),
    feature(("memory_mb", "MB"), (0.0, 3008.0), "memory the function uses", |s| {
        s.facts.memory.get()
    }),
    feature(("avg_cost", "USD"), (0.0, 10.0), "mean cost of an invocation", |s| {
        s.facts.avg_cost.get()
    }),
    feature(
        ("avg_carbon", "gCO2e"),
        (0.0, 1000.0),
        "mean carbon footprint of an invocation",
        |s| s.facts.avg_carbon.get(),
    ),
    feature(("cold_start_rate", "1"), (0.0, 1.0), "share of invocations that started cold", |s| {
        s.facts.cold_start_rate
    }),
    feature(
        ("app_cold_start_rate", "1"),
        (0.0, 1.0),
        "share of the application's invocations that started cold",
        |s| s.facts.application.cold_start_rate,
    ),
    feature(
        ("app_sla_violation_rate", "1"),
        (0.0, 1.0),
        "share of the application's invocations slower than their latency objective",
        |s| s.facts.application.sla_violation_rate,
    ),
    feature(
        ("app_avg_invocation_rate", "1/min"),
        (0.0, MAX_RATE_PER_MINUTE),
        "mean invocations per minute over the application's functions, at most 1000",
        |s| s.facts.application.avg_invocation_rate_per_minute,
    ),
    feature(("app_is_bursty", "1"), (0.0, 1.0), "whether the application's load is bursty", |s| {
        flag(s.facts.application.is_bursty)
    }),
    feature(
        ("current_region", "index"),
        (0.0, 3.0),
        "index of the region it runs in; of its callers' region when it runs nowhere yet",
        |s| s.facts.current_region().index() as f64,
    ),
    feature(("home_region", "index"), (0.0, 3.0), "index of its callers' region", |s| {
        s.facts.home.index() as f64
    }),
    feature(("runs_on_aws", "1"), (0.0, 1.0), "whether it runs on AWS now", |s| {
        runs_on(s, Provider::Aws)
    }),
    feature(("runs_on_azure", "1"), (0.0, 1.0), "whether it runs on Azure now", |s| {
        runs_on(s, Provider::Azure)
    }),
    feature(("runs_on_gcp", "1"), (0.0, 1.0), "whether it runs on GCP now", |s| {
        runs_on(s, Provider::Gcp)
    }),
    feature(("home_us_east_1", "1"), (0.0, 1.0), "whether its callers are in Virginia", |s| {
        lives(s, Region::UsEast)
    }),
    feature(("home_us_west_2", "1"), (0.0, 1.0), "whether its callers are in Oregon", |s| {
        lives(s, Region::UsWest)
    }),
    feature(("home_eu_west_1", "1"), (0.0, 1.0), "whether its callers are in Ireland", |s| {
        lives(s, Region::EuWest)
    }),
    feature(
        ("home_ap_southeast_1", "1"),
        (0.0, 1.0),
        "whether its callers are in Singapore",
        |s| lives(s, Region::ApSoutheast),
    ),
    feature(("data_at_aws", "1"), (0.0, 1.0), "whether its data and callers are at AWS", |s| {
        data_at(s, Provider::Aws)
    }),
    feature(("data_at_azure", "1"), (0.0, 1.0), "whether its data and callers are at Azure", |s| {
        data_at(s, Provider::Azure)
    }),
    feature(("data_at_gcp", "1"), (0.0, 1.0), "whether its data and callers are at GCP", |s| {
        data_at(s, Provider::Gcp)
    }),
    feature(("request_bytes", "B"), (0.0, 1e9), "bytes of a request", |s| s.facts.request_bytes),
    feature(("response_bytes", "B"), (0.0, 1e9), "bytes of an answer", |s| s.facts.response_bytes),
    feature(
        ("cpu_share", "1"),
        (0.0, 1.0),
        "share of a run at full speed that waits for the processor",
        |s| s.facts.cpu_share,
    ),
    feature(
        ("expected_objective_aws", "1"),
        (LEAST_OBJECTIVE, 1.0),
        "best expected objective over AWS's regions and memory sizes, by list prices, measured round trips, live grid intensity",
        |s| s.best_on(Provider::Aws),
    ),
    feature(
        ("expected_objective_azure", "1"),
        (LEAST_OBJECTIVE, 1.0),
        "the same over Azure's",
        |s| s.best_on(Provider::Azure),
    ),
    feature(("expected_objective_gcp", "1"), (LEAST_OBJECTIVE, 1.0), "the same over GCP's", |s| {
        s.best_on(Provider::Gcp)
    }),
];

macro_rules! candidate {
    ($name:literal, $action:literal) => {
        feature(
            ($name, "1"),
            (LEAST_OBJECTIVE, 1.0),
            "expected objective of this region and memory size on the chosen provider",
            |s| s.objective_of($action),
        )
    };
}

/// Features known once the provider is chosen.
pub(crate) const ROUTED_FEATURES: &[SituationFeature] = &[
    feature(("provider_aws", "1"), (0.0, 1.0), "whether AWS was chosen", |s| {
        is_provider(s, Provider::Aws)
    }),
    feature(("provider_azure", "1"), (0.0, 1.0), "whether Azure was chosen", |s| {
        is_provider(s, Provider::Azure)
    }),
    feature(("provider_gcp", "1"), (0.0, 1.0), "whether GCP was chosen", |s| {
        is_provider(s, Provider::Gcp)
    }),
    candidate!("expected_objective_us_east_1_128", 0),
    candidate!("expected_objective_us_east_1_256", 1),
    candidate!("expected_objective_us_east_1_512", 2),
    candidate!("expected_objective_us_east_1_1024", 3),
    candidate!("expected_objective_us_east_1_2048", 4),
    candidate!("expected_objective_us_east_1_3008", 5),
    candidate!("expected_objective_us_west_2_128", 6),
    candidate!("expected_objective_us_west_2_256", 7),
    candidate!("expected_objective_us_west_2_512", 8),
    candidate!("expected_objective_us_west_2_1024", 9),
    candidate!("expected_objective_us_west_2_2048", 10),
    candidate!("expected_objective_us_west_2_3008", 11),
    candidate!("expected_objective_eu_west_1_128", 12),
    candidate!("expected_objective_eu_west_1_256", 13),
    candidate!("expected_objective_eu_west_1_512", 14),
    candidate!("expected_objective_eu_west_1_1024", 15),
    candidate!("expected_objective_eu_west_1_2048", 16),
    candidate!("expected_objective_eu_west_1_3008", 17),
    candidate!("expected_objective_ap_southeast_1_128", 18),
    candidate!("expected_objective_ap_southeast_1_256", 19),
    candidate!("expected_objective_ap_southeast_1_512", 20),
    candidate!("expected_objective_ap_southeast_1_1024", 21),
    candidate!("expected_objective_ap_southeast_1_2048", 22),
    candidate!("expected_objective_ap_southeast_1_3008", 23),
];

pub(crate) fn encode(features: &[SituationFeature], situation: &Situation<'_>, row: &mut Vec<f32>) {
    row.extend(features.iter().map(|feature| feature.bounded((feature.value)(situation))));
}
