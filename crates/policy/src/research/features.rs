//! What versions 1 and 2 of the strategic and the tactical model may take.
//!
//! What exists once for each provider, region or memory size is an array with as many entries, so
//! that the compiler finds the features that a new one lacks.

use super::{
    grid::{Area, Provider, Tier},
    situation::Situation,
};
use crate::{
    feature::Feature,
    function::{FUNCTION, FunctionValue, flag},
};

/// Computes a feature.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SituationValue {
    /// From what is known of the function itself.
    Function(FunctionValue),
    /// From where it is, and what is expected there.
    Situation(fn(&Situation<'_>) -> f64),
}

impl SituationValue {
    pub(crate) fn of(self, situation: &Situation<'_>) -> f64 {
        match self {
            Self::Function(value) => value(situation.facts),
            Self::Situation(value) => value(situation),
        }
    }
}

type SituationFeature = Feature<SituationValue>;

const LAST_REGION: f64 = (Area::COUNT - 1) as f64;

const fn feature(
    (name, unit): (&'static str, &'static str),
    (min, max): (f64, f64),
    formula: &'static str,
    value: fn(&Situation<'_>) -> f64,
) -> SituationFeature {
    Feature { name, unit, min, max, formula, value: SituationValue::Situation(value) }
}

fn is_provider(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.provider == Some(provider))
}

/// Objectives are at most 1. Those below this, because of penalties, count as this.
const LEAST_OBJECTIVE: f64 = -5.0;

fn lives(situation: &Situation<'_>, area: Area) -> f64 {
    flag(situation.location.home == area)
}

fn data_at(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.location.data == Some(provider))
}

fn runs_on(situation: &Situation<'_>, provider: Provider) -> f64 {
    flag(situation.location.runs_on == Some(provider))
}

/// A feature for each provider.
type ByProvider = [SituationFeature; Provider::COUNT];
/// A feature for each region.
type ByRegion = [SituationFeature; Area::COUNT];

/// Every feature.
pub(crate) fn all_features() -> impl Iterator<Item = SituationFeature> + Clone {
    let by_site = RUNS_ON.iter().chain(&HOME).chain(&DATA_AT).chain(&EXPECTED_ON);
    let function = FUNCTION.iter().map(|feature| feature.map(SituationValue::Function));
    function.chain(PLACE.iter().chain(by_site).copied()).chain(routed_features())
}

/// Features that are known once the provider is chosen.
pub(crate) fn routed_features() -> impl Iterator<Item = SituationFeature> + Clone {
    CHOSEN.iter().chain(EXPECTED_AT.iter().flatten()).copied()
}

static PLACE: &[SituationFeature] = &[
    feature(
        ("current_region", "index"),
        (0.0, LAST_REGION),
        "index of the region it runs in; of its callers' region when it runs nowhere yet",
        |s| s.location.current_area().index() as f64,
    ),
    feature(("home_region", "index"), (0.0, LAST_REGION), "index of its callers' region", |s| {
        s.location.home.index() as f64
    }),
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
        lives(s, Area::UsEast)
    }),
    feature(("home_us_west_2", "1"), (0.0, 1.0), "whether its callers are in Oregon", |s| {
        lives(s, Area::UsWest)
    }),
    feature(("home_eu_west_1", "1"), (0.0, 1.0), "whether its callers are in Ireland", |s| {
        lives(s, Area::EuWest)
    }),
    feature(
        ("home_ap_southeast_1", "1"),
        (0.0, 1.0),
        "whether its callers are in Singapore",
        |s| lives(s, Area::ApSoutheast),
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
            |s| s.expected_at(Area::$region, Tier::$memory),
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

static EXPECTED_AT: [[SituationFeature; Tier::COUNT]; Area::COUNT] = [
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
            assert_eq!(name(&RUNS_ON), format!("runs_on_{}", provider.name()));
            assert_eq!(name(&DATA_AT), format!("data_at_{}", provider.name()));
            assert_eq!(name(&EXPECTED_ON), format!("expected_objective_{}", provider.name()));
            assert_eq!(name(&CHOSEN), format!("provider_{}", provider.name()));
        }
        for area in Area::ALL {
            let place = area.label().replace('-', "_");
            assert_eq!(HOME[area.index()].name, format!("home_{place}"));
            for memory in Tier::ALL {
                assert_eq!(
                    EXPECTED_AT[area.index()][memory.index()].name,
                    format!("expected_objective_{place}_{}", memory.megabytes())
                );
            }
        }
    }
}
