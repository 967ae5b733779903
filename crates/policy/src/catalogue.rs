//! The catalogue of what the strategic and the tactical model may take.
//!
//! What exists once for each provider, region or memory size is an array with as many entries, so
//! that the compiler finds the features that a new one lacks.

use strata_domain::{MemoryTier, Provider, Region};

use crate::{feature::Feature, situation::Situation};

/// Computes a feature.
pub(crate) type SituationValue = fn(&Situation<'_>) -> f64;
type SituationFeature = Feature<SituationValue>;

/// Rates above this count as this, as in the research framework.
const MAX_RATE_PER_MINUTE: f64 = 1000.0;
/// The longest run any provider allows is 60 minutes.
const MAX_DURATION_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 86_400_000.0;
const MAX_MEMORY_MB: f64 = MemoryTier::LARGEST.megabytes() as f64;
const LAST_REGION: f64 = (Region::COUNT - 1) as f64;

const fn feature(
    (name, unit): (&'static str, &'static str),
    (min, max): (f64, f64),
    formula: &'static str,
    value: SituationValue,
) -> SituationFeature {
    Feature { name, unit, min, max, formula, value }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn is_provider(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.provider == Some(provider))
}

/// Objectives are at most 1. Those below this, because of penalties, count as this.
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

/// A feature for each provider.
type ByProvider = [SituationFeature; Provider::COUNT];
/// A feature for each region.
type ByRegion = [SituationFeature; Region::COUNT];

/// Every feature.
pub(crate) fn all_features() -> impl Iterator<Item = SituationFeature> + Clone {
    let by_site = RUNS_ON.iter().chain(&HOME).chain(&DATA_AT).chain(&EXPECTED_ON);
    FUNCTION.iter().chain(by_site).copied().chain(routed_features())
}

/// Features that are known once the provider is chosen.
pub(crate) fn routed_features() -> impl Iterator<Item = SituationFeature> + Clone {
    CHOSEN.iter().chain(EXPECTED_AT.iter().flatten()).copied()
}

static FUNCTION: &[SituationFeature] = &[
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
    feature(("memory_mb", "MB"), (0.0, MAX_MEMORY_MB), "memory the function uses", |s| {
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
        (0.0, LAST_REGION),
        "index of the region it runs in; of its callers' region when it runs nowhere yet",
        |s| s.facts.current_region().index() as f64,
    ),
    feature(("home_region", "index"), (0.0, LAST_REGION), "index of its callers' region", |s| {
        s.facts.home.index() as f64
    }),
    feature(("request_bytes", "B"), (0.0, 1e9), "bytes of a request", |s| s.facts.request_bytes),
    feature(("response_bytes", "B"), (0.0, 1e9), "bytes of an answer", |s| s.facts.response_bytes),
    feature(
        ("cpu_share", "1"),
        (0.0, 1.0),
        "share of a run at full speed that waits for the processor",
        |s| s.facts.cpu_share,
    ),
];

static RUNS_ON: ByProvider = [
    feature(("runs_on_aws", "1"), (0.0, 1.0), "whether it runs on AWS now", |s| {
        runs_on(s, Provider::Aws)
    }),
    feature(("runs_on_azure", "1"), (0.0, 1.0), "whether it runs on Azure now", |s| {
        runs_on(s, Provider::Azure)
    }),
    feature(("runs_on_gcp", "1"), (0.0, 1.0), "whether it runs on GCP now", |s| {
        runs_on(s, Provider::Gcp)
    }),
];

static HOME: ByRegion = [
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
];

static DATA_AT: ByProvider = [
    feature(("data_at_aws", "1"), (0.0, 1.0), "whether its data and callers are at AWS", |s| {
        data_at(s, Provider::Aws)
    }),
    feature(("data_at_azure", "1"), (0.0, 1.0), "whether its data and callers are at Azure", |s| {
        data_at(s, Provider::Azure)
    }),
    feature(("data_at_gcp", "1"), (0.0, 1.0), "whether its data and callers are at GCP", |s| {
        data_at(s, Provider::Gcp)
    }),
];

static EXPECTED_ON: ByProvider = [
    feature(
        ("expected_objective_aws", "1"),
        (LEAST_OBJECTIVE, 1.0),
        "best expected objective over AWS's regions and memory sizes, by list prices, measured \
         round trips, live grid intensity",
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

static CHOSEN: ByProvider = [
    feature(("provider_aws", "1"), (0.0, 1.0), "whether AWS was chosen", |s| {
        is_provider(s, Provider::Aws)
    }),
    feature(("provider_azure", "1"), (0.0, 1.0), "whether Azure was chosen", |s| {
        is_provider(s, Provider::Azure)
    }),
    feature(("provider_gcp", "1"), (0.0, 1.0), "whether GCP was chosen", |s| {
        is_provider(s, Provider::Gcp)
    }),
];

/// The expected objective of one region and memory size on the chosen provider.
macro_rules! expected_at {
    ($region_name:literal, $region:ident, $memory_name:literal, $memory:ident) => {
        feature(
            (concat!("expected_objective_", $region_name, "_", $memory_name), "1"),
            (LEAST_OBJECTIVE, 1.0),
            "expected objective of this region and memory size on the chosen provider",
            |s| s.expected_at(Region::$region, MemoryTier::$memory),
        )
    };
}

/// One of them for each memory size.
macro_rules! expected_in {
    ($name:literal, $region:ident) => {
        [
            expected_at!($name, $region, "128", Mb128),
            expected_at!($name, $region, "256", Mb256),
            expected_at!($name, $region, "512", Mb512),
            expected_at!($name, $region, "1024", Mb1024),
            expected_at!($name, $region, "2048", Mb2048),
            expected_at!($name, $region, "3008", Mb3008),
        ]
    };
}

static EXPECTED_AT: [[SituationFeature; MemoryTier::COUNT]; Region::COUNT] = [
    expected_in!("us_east_1", UsEast),
    expected_in!("us_west_2", UsWest),
    expected_in!("eu_west_1", EuWest),
    expected_in!("ap_southeast_1", ApSoutheast),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_a_provider_or_region_are_named_after_it() {
        for provider in Provider::ALL {
            let name = |features: &ByProvider| features[provider.index()].name;
            assert_eq!(name(&RUNS_ON), format!("runs_on_{provider}"));
            assert_eq!(name(&DATA_AT), format!("data_at_{provider}"));
            assert_eq!(name(&EXPECTED_ON), format!("expected_objective_{provider}"));
            assert_eq!(name(&CHOSEN), format!("provider_{provider}"));
        }
        for region in Region::ALL {
            let place = region.name().replace('-', "_");
            assert_eq!(HOME[region.index()].name, format!("home_{place}"));
            for memory in MemoryTier::ALL {
                assert_eq!(
                    EXPECTED_AT[region.index()][memory.index()].name,
                    format!("expected_objective_{place}_{}", memory.megabytes())
                );
            }
        }
    }
}
