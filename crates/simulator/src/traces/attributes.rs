//! What the trace does not say about a function: assumptions, drawn from its name.
//!
//! None of this was measured. The same function has the same attributes in every world, whatever
//! the seed. The distributions:
//!
//! - Area of callers and data: Virginia 40 %, Oregon 20 %, Ireland 25 %, Singapore 15 %.
//! - Provider that holds the data: AWS 45 %, Azure 35 %, GCP 20 %; for HTTP functions only half of
//!   them, the other half serves callers on the internet.
//! - Provider the function runs on now: the one that holds the data in 80 % of cases, else (and
//!   without one) as above.
//! - Region it runs in now: that of its callers in 85 % of cases, else as above.
//! - Memory it has now: the smallest tier that holds it 50 %, one size more 30 %, two sizes more
//!   20 %, where the provider sells it.
//! - Request and answer of HTTP functions: log-normal, median 1 kB and 4 kB, sigma 1.0 and 1.2, at
//!   most 6 MB.
//! - Request and answer of other functions: log-normal, median 0.5 kB and 0.3 kB, sigma 1.0, at
//!   most 256 kB.
//! - Share of a run on the processor: that of one of six real functions
//!   ([`strata_domain::scaling::BENCHMARK_CPU_SHARES`]).
//! - Trigger, where the trace has none: timer when the calls are regular, else HTTP 56 %,
//!   queue 26 %, orchestration 11 %, event 5 %, storage 2 %, which are the shares of the 8-hour
//!   sample without its timers.

use strata_domain::{Home, Megabytes, MemoryTier, Placement, Provider, Region, scaling};

use super::trigger::Trigger;
use crate::seed::{Draws, Purpose, stream};

/// Seed of the attributes: part of the assumptions, independent of the seed of a world.
const ATTRIBUTE_SEED: u64 = 2019;

const AREA_SHARES: [f64; Region::COUNT] = [0.40, 0.20, 0.25, 0.15];
const PROVIDER_SHARES: [f64; Provider::COUNT] = [0.45, 0.35, 0.20];
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

impl Attributes {
    /// The attributes of the function `identity` that is started by `trigger` and uses `memory`.
    pub(crate) fn draw(identity: u64, trigger: Trigger, memory: Megabytes) -> Self {
        Self::variation(0, identity, trigger, memory)
    }

    /// Other attributes for the same function; variation 0 is [`Attributes::draw`].
    pub(crate) fn variation(
        variation: u64,
        identity: u64,
        trigger: Trigger,
        memory: Megabytes,
    ) -> Self {
        let seed = ATTRIBUTE_SEED.wrapping_add(variation);
        let mut draws = stream(seed, identity, Purpose::Attributes, 0);
        let region = Region::ALL[draws.weighted(&AREA_SHARES)];
        let at_provider = Provider::ALL[draws.weighted(&PROVIDER_SHARES)];
        let serves_internet = draws.unit() >= HTTP_WITH_DATA_AT_PROVIDER;
        let provider = (trigger != Trigger::Http || !serves_internet).then_some(at_provider);
        let (request_bytes, response_bytes) = messages(trigger, &mut draws);
        Self {
            home: Home { region, provider },
            placement: placement(region, provider, memory, &mut draws),
            request_bytes,
            response_bytes,
            cpu_share: scaling::BENCHMARK_CPU_SHARES
                [draws.below(scaling::BENCHMARK_CPU_SHARES.len())],
        }
    }
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

fn placement(
    home: Region,
    data: Option<Provider>,
    memory: Megabytes,
    draws: &mut Draws,
) -> Placement {
    let (with_data, near_callers) = (draws.unit(), draws.unit());
    let (other_provider, other_region) =
        (draws.weighted(&PROVIDER_SHARES), draws.weighted(&AREA_SHARES));
    let more = draws.weighted(&MORE_MEMORY_SHARES);
    let smallest = MemoryTier::smallest_holding(memory).unwrap_or(MemoryTier::LARGEST);
    let drawn = match data {
        Some(data) if with_data < RUNS_WITH_ITS_DATA => data,
        _ => Provider::ALL[other_provider],
    };
    // Azure sells nothing that holds a function of more than 1024 MB: it cannot be running there.
    let provider = if scaling::is_offered(drawn, smallest) { drawn } else { Provider::Aws };
    let memory = (0..=more)
        .rev()
        .filter_map(|more| MemoryTier::from_index(smallest.index() + more))
        .find(|tier| scaling::is_offered(provider, *tier))
        .unwrap_or(smallest);
    let region =
        if near_callers < RUNS_NEAR_ITS_CALLERS { home } else { Region::ALL[other_region] };
    Placement { provider, region, memory }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(trigger: Trigger, memory: f64) -> Vec<Attributes> {
        (0..4000).map(|id| Attributes::draw(id, trigger, Megabytes::new(memory))).collect()
    }

    fn share(attributes: &[Attributes], what: impl Fn(&Attributes) -> bool) -> f64 {
        attributes.iter().filter(|a| what(a)).count() as f64 / attributes.len() as f64
    }

    #[test]
    fn attributes_follow_their_table() {
        let http = drawn(Trigger::Http, 200.0);
        assert!((share(&http, |a| a.home.region == Region::UsEast) - 0.40).abs() < 0.03);
        assert!((share(&http, |a| a.home.provider.is_none()) - 0.50).abs() < 0.03);
        assert!((share(&http, |a| a.response_bytes < 4e3) - 0.50).abs() < 0.03);
        assert!((share(&http, |a| a.placement.memory == MemoryTier::Mb256) - 0.50).abs() < 0.03);
        let queue = drawn(Trigger::Queue, 200.0);
        assert!(queue.iter().all(|a| a.home.provider.is_some()));
        assert!(share(&queue, |a| a.home.region == a.placement.region) > 0.85);
    }

    #[test]
    fn nobody_runs_where_it_could_not() {
        for memory in [20.0, 900.0, 1024.5, 2900.0] {
            for a in drawn(Trigger::Timer, memory) {
                assert!(scaling::fits(a.placement, memory), "{} {memory}", a.placement);
            }
        }
    }
}
