//! What the trace does not say about a function: assumptions, drawn from its name.
//!
//! None of this was measured. With the same catalogue, the same function has the same attributes in
//! every world, whatever the seed. The distributions:
//!
//! - Area of callers and data: us-east 40 %, us-west 20 %, eu-west 25 %, ap-southeast 15 %, when
//!   these are the areas of the catalogue; else all its areas alike.
//! - Provider that holds the data: aws 45, azure 35, any other 20, as shares among the providers
//!   that have a platform in the catalogue; for HTTP functions only half of them, the other half
//!   serves callers on the internet. The data is in the provider's region of the callers' area.
//! - Provider the function runs on now: the one that holds the data in 80 % of cases, else (and
//!   without one) as above; all its platforms alike.
//! - Region it runs in now: that of its callers' area in 85 % of cases, else of an area drawn as
//!   above, among the regions where the platform is sold.
//! - The region of an area is its nearest to the callers or, where the area has none, the nearest
//!   of all.
//! - Memory it has now: the platform's smallest size that holds it 50 %, one size more 30 %, two
//!   sizes more 20 %, at most the largest. A function that no size of the platform holds runs on
//!   the reference platform, if that has larger sizes, and in the largest if that does not hold it
//!   either.
//! - Request and answer of HTTP functions: log-normal, median 1 kB and 4 kB, sigma 1.0 and 1.2, at
//!   most 6 MB.
//! - Request and answer of other functions: log-normal, median 0.5 kB and 0.3 kB, sigma 1.0, at
//!   most 256 kB.
//! - Share of a run on the processor: that of one of six real functions
//!   ([`strata_domain::scaling::BENCHMARK_CPU_SHARES`]).
//! - Trigger, where the trace has none: timer when the calls are regular, else HTTP 56 %,
//!   queue 26 %, orchestration 11 %, event 5 %, storage 2 %, which are the shares of the 8-hour
//!   sample without its timers.

use std::cmp::Ordering;

use strata_domain::{AreaId, Catalogue, Home, Origin, Placement, PlatformId, RegionId, scaling};

use super::{trace::TracedFunction, trigger::Trigger};
use crate::seed::{Draws, Purpose, stream};

/// Seed of the attributes: part of the assumptions, independent of the seed of a world.
const ATTRIBUTE_SEED: u64 = 2019;

const AREA_SHARES: [(&str, f64); 4] =
    [("us-east", 0.40), ("us-west", 0.20), ("eu-west", 0.25), ("ap-southeast", 0.15)];
const PROVIDER_SHARES: [(&str, f64); 3] = [("aws", 0.45), ("azure", 0.35), ("gcp", 0.20)];
const OTHER_PROVIDER_SHARE: f64 = 0.20;
const HTTP_WITH_DATA_AT_PROVIDER: f64 = 0.5;
const RUNS_WITH_ITS_DATA: f64 = 0.80;
const RUNS_NEAR_ITS_CALLERS: f64 = 0.85;
const MORE_MEMORY_SHARES: [f64; 3] = [0.5, 0.3, 0.2];
const HTTP_MAX_BYTES: f64 = 6e6;
const EVENT_MAX_BYTES: f64 = 256e3;
const TRIGGER_SHARES: [(Trigger, f64); 5] = [
    (Trigger::Http, 0.56),
    (Trigger::Queue, 0.26),
    (Trigger::Orchestration, 0.11),
    (Trigger::Event, 0.05),
    (Trigger::Storage, 0.02),
];

/// The assumed attributes of one function; the module says how they are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attributes {
    /// Where callers and data are.
    pub home: Home,
    /// Where the function runs when the trace begins.
    pub placement: Placement,
    /// Bytes of a request.
    pub request_bytes: f64,
    /// Bytes of an answer.
    pub response_bytes: f64,
    /// Share of a run at full speed that waits for the processor, 0 to 1.
    pub cpu_share: f64,
}

/// The area of callers, and which provider holds the data.
struct Lives {
    area: AreaId,
    provider: Option<usize>,
}

/// What attributes are drawn from on a catalogue.
pub(crate) struct Assumptions<'c> {
    catalogue: &'c Catalogue,
    areas: Vec<AreaId>,
    area_shares: Vec<f64>,
    /// The platforms of each provider that has any.
    providers: Vec<Vec<PlatformId>>,
    provider_shares: Vec<f64>,
}

impl<'c> Assumptions<'c> {
    /// The distributions over what `catalogue` has.
    pub(crate) fn new(catalogue: &'c Catalogue) -> Self {
        let known: Option<Vec<AreaId>> =
            AREA_SHARES.iter().map(|(name, _)| catalogue.find_area(name)).collect();
        let known = known.filter(|known| known.len() == catalogue.areas().len());
        let area_shares = match &known {
            Some(_) => AREA_SHARES.map(|(_, share)| share).to_vec(),
            None => vec![1.0; catalogue.areas().len()],
        };
        let (providers, provider_shares) = providers(catalogue).into_iter().unzip();
        Self {
            catalogue,
            areas: known.unwrap_or_else(|| catalogue.areas().map(|(area, _)| area).collect()),
            area_shares,
            providers,
            provider_shares,
        }
    }

    /// The attributes of a function in a variation of the trace; 0 is the trace itself.
    pub(crate) fn draw(&self, variation: u64, function: &TracedFunction) -> Attributes {
        let seed = ATTRIBUTE_SEED.wrapping_add(variation);
        let mut draws = stream(seed, function.identity, Purpose::Attributes, 0);
        let area = self.areas[draws.weighted(&self.area_shares)];
        let at_provider = draws.weighted(&self.provider_shares);
        let serves_internet = draws.unit() >= HTTP_WITH_DATA_AT_PROVIDER;
        let provider =
            (function.trigger != Trigger::Http || !serves_internet).then_some(at_provider);
        let (request_bytes, response_bytes) = messages(function.trigger, &mut draws);
        let memory_mb = function.peak_memory().get();
        Attributes {
            home: Home {
                callers: Origin::Area(area),
                data: provider
                    .and_then(|provider| self.data_region(&self.providers[provider], area)),
            },
            placement: self.placement(&Lives { area, provider }, memory_mb, &mut draws),
            request_bytes,
            response_bytes,
            cpu_share: scaling::BENCHMARK_CPU_SHARES
                [draws.below(scaling::BENCHMARK_CPU_SHARES.len())],
        }
    }

    fn data_region(&self, platforms: &[PlatformId], area: AreaId) -> Option<RegionId> {
        let provider = self.catalogue.provider_of(*platforms.first()?);
        let regions = self.catalogue.regions().map(|(region, _)| region);
        let of_provider = regions.filter(|id| self.catalogue.provider_of_region(*id) == provider);
        of_provider.min_by(|one, other| self.nearer(area, *one, *other))
    }

    /// Which of two regions is the one for callers in an area.
    fn nearer(&self, area: AreaId, one: RegionId, other: RegionId) -> Ordering {
        let away = |region| {
            let round_trip_ms = self.catalogue.caller_round_trip_ms(Origin::Area(area), region);
            (self.catalogue.area_of(region) != Some(area), round_trip_ms)
        };
        let (one, other) = (away(one), away(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    }

    fn placement(&self, home: &Lives, memory_mb: f64, draws: &mut Draws) -> Placement {
        let (with_data, near_callers) = (draws.unit(), draws.unit());
        let (other_provider, other_area) =
            (draws.weighted(&self.provider_shares), draws.weighted(&self.area_shares));
        let more = draws.weighted(&MORE_MEMORY_SHARES);
        let data = home.provider.filter(|_| with_data < RUNS_WITH_ITS_DATA);
        let provider = data.unwrap_or(other_provider);
        let platform = match &self.providers[provider][..] {
            [only] => *only,
            platforms => platforms[draws.below(platforms.len())],
        };
        let platform = self.platform_holding(memory_mb, platform);
        let sizes = &self.catalogue.platform(platform).sizes;
        let smallest = sizes.iter().position(|size| scaling::fits(size.memory_mb, memory_mb));
        let size = smallest.unwrap_or(sizes.len()) + more;
        let size = sizes[size.min(sizes.len() - 1)].memory_mb;
        let area =
            if near_callers < RUNS_NEAR_ITS_CALLERS { home.area } else { self.areas[other_area] };
        let candidates = self.catalogue.candidates();
        let of_size = candidates[self.catalogue.candidates_of(platform)].iter();
        let of_size = of_size.filter(|candidate| candidate.memory_mb == size);
        // Every platform is sold somewhere, in all its sizes.
        let nearest = of_size.min_by(|one, other| self.nearer(area, one.region, other.region));
        *nearest.unwrap_or(&candidates[0])
    }

    /// `drawn`, unless the function needs more memory than it has and the reference platform has
    /// larger sizes.
    fn platform_holding(&self, memory_mb: f64, drawn: PlatformId) -> PlatformId {
        let largest = |platform| {
            let sizes = self.catalogue.platform(platform).sizes.iter();
            sizes.map(|size| size.memory_mb).max().unwrap_or(0)
        };
        let reference = self.catalogue.reference_platform();
        let holds = scaling::fits(largest(drawn), memory_mb);
        if holds || largest(reference) <= largest(drawn) { drawn } else { reference }
    }
}

/// The platforms of each provider that has any, and the provider's share.
fn providers(catalogue: &Catalogue) -> Vec<(Vec<PlatformId>, f64)> {
    let is_named = |name: &str| PROVIDER_SHARES.iter().any(|(known, _)| *known == name);
    let named = PROVIDER_SHARES.iter().filter_map(|(name, share)| {
        catalogue.find_provider(name).map(|provider| (provider, *share))
    });
    let others = catalogue.providers().filter(|(_, name)| !is_named(name));
    let all = named.chain(others.map(|(provider, _)| (provider, OTHER_PROVIDER_SHARE)));
    let with_platforms = all.map(|(provider, share)| {
        let platforms = catalogue.platforms().map(|(platform, _)| platform);
        (platforms.filter(|id| catalogue.provider_of(*id) == provider).collect(), share)
    });
    with_platforms.filter(|(platforms, _): &(Vec<PlatformId>, _)| !platforms.is_empty()).collect()
}

/// A trigger for a function of which the trace gives none and whose calls are not regular.
pub(crate) fn draw_trigger(identity: u64) -> Trigger {
    let mut draws = stream(ATTRIBUTE_SEED, identity, Purpose::Attributes, 1);
    TRIGGER_SHARES[draws.weighted(&TRIGGER_SHARES.map(|(_, share)| share))].0
}

fn messages(trigger: Trigger, draws: &mut Draws) -> (f64, f64) {
    let (request, response) = (draws.normal(), draws.normal());
    if trigger == Trigger::Http {
        let (request, response) = (1e3 * request.exp(), 4e3 * (1.2 * response).exp());
        (request.min(HTTP_MAX_BYTES), response.min(HTTP_MAX_BYTES))
    } else {
        let (request, response) = (0.5e3 * request.exp(), 0.3e3 * response.exp());
        (request.min(EVENT_MAX_BYTES), response.min(EVENT_MAX_BYTES))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use strata_catalogue::{BUILT_IN, WORLD, built_in};

    use super::*;
    use crate::traces::{percentiles::Percentiles, test_trace};

    /// The attributes of 4000 functions that use that much memory.
    fn drawn(catalogue: &Catalogue, trigger: Trigger, memory_mb: f64) -> Vec<Attributes> {
        let assumptions = Assumptions::new(catalogue);
        let memory_mb = Percentiles::new(vec![(0.0, memory_mb), (1.0, memory_mb)]).unwrap();
        let function = |number| {
            let function = test_trace::function("f", trigger, vec![1]);
            TracedFunction { identity: number, memory_mb: memory_mb.clone(), ..function }
        };
        (0..4000).map(|number| assumptions.draw(0, &function(number))).collect()
    }

    fn share(attributes: &[Attributes], what: impl Fn(&Attributes) -> bool) -> f64 {
        attributes.iter().filter(|a| what(a)).count() as f64 / attributes.len() as f64
    }

    #[test]
    fn attributes_follow_their_table() {
        let catalogue = test_trace::research();
        let us_east = Origin::Area(catalogue.find_area("us-east").unwrap());
        let http = drawn(&catalogue, Trigger::Http, 200.0);
        assert!((share(&http, |a| a.home.callers == us_east) - 0.40).abs() < 0.03);
        assert!((share(&http, |a| a.home.data.is_none()) - 0.50).abs() < 0.03);
        assert!((share(&http, |a| a.response_bytes < 4e3) - 0.50).abs() < 0.03);
        assert!((share(&http, |a| a.placement.memory_mb == 256) - 0.50).abs() < 0.03);
        let on = |name: &str| {
            let platform = catalogue.find_platform(name).unwrap();
            share(&http, |a| a.placement.platform == platform)
        };
        assert!(
            (on("aws-lambda") - 0.45).abs() < 0.03 && (on("gcp-functions-gen1") - 0.2).abs() < 0.03
        );
        let queue = drawn(&catalogue, Trigger::Queue, 200.0);
        assert!(queue.iter().all(|a| a.home.data.is_some()));
        let near = |a: &Attributes| {
            catalogue.area_of(a.placement.region).map(Origin::Area) == Some(a.home.callers)
        };
        assert!(share(&queue, near) > 0.85);
    }

    #[test]
    fn nobody_runs_where_it_could_not() {
        for name in BUILT_IN {
            let catalogue = built_in(name).catalogue;
            for memory in [20.0, 900.0, 1024.5, 2900.0] {
                for a in drawn(&catalogue, Trigger::Timer, memory) {
                    let words = catalogue.describe(a.placement);
                    assert!(scaling::fits(a.placement.memory_mb, memory), "{words} {memory}");
                    assert!(catalogue.find_candidate(a.placement).is_some(), "{words}");
                }
            }
        }
    }

    #[test]
    fn what_nothing_holds_runs_in_the_largest_size() {
        let catalogue = test_trace::research();
        let huge = drawn(&catalogue, Trigger::Timer, 1e5);
        assert!(huge.iter().all(|a| a.placement.memory_mb == 3008));
    }

    #[test]
    fn other_catalogues_use_all_that_they_have() {
        let catalogue = built_in(WORLD).catalogue;
        let drawn = drawn(&catalogue, Trigger::Queue, 100.0);
        for (id, platform) in catalogue.platforms() {
            assert!(drawn.iter().any(|a| a.placement.platform == id), "{}", platform.name);
        }
        for (id, area) in catalogue.areas() {
            let share = share(&drawn, |a| a.home.callers == Origin::Area(id));
            let even = 1.0 / catalogue.areas().len() as f64;
            assert!((share - even).abs() < 0.03, "{} {share}", area.name);
        }
    }
}
