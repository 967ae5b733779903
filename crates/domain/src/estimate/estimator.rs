use super::{profile::InvocationProfile, site::Site};
use crate::{
    formulas::{
        carbon,
        cold_start::{self, Chance, StartDelay},
        price,
        run_times::{
            RunTimes, TYPICAL_P95_OVER_MEAN, TYPICAL_SIGMA, Z95, log_deviation, normal_quantile,
        },
        scaling,
    },
    placement::{MemoryTier, Placement, Provider, Region},
    time::UtcTime,
    units::{GramsCo2e, Usd},
};

/// What one invocation on a placement is expected to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Price of one invocation, egress included.
    pub cost: Usd,
    /// Mean time from a caller's request to its answer, in ms: network, run, and cold starts by
    /// their probability.
    pub latency_ms: f64,
    /// 95th percentile of the same, in ms.
    pub p95_latency_ms: f64,
    /// Probability that an invocation starts cold, 0 to 1.
    pub cold_start_probability: f64,
    /// Operational and embodied gas of one invocation.
    pub carbon: GramsCo2e,
    /// Probability that an invocation takes longer than is promised, 0 to 1.
    pub late_share: f64,
    /// Whether the function can run there at all: the memory holds it and the provider sells it.
    pub feasible: bool,
}

/// What one invocation of `profile` on `placement` at `at` is expected to cost, take and emit.
///
/// Takes less than 2 us. An infeasible placement is estimated as well and marked as infeasible.
pub fn estimate(profile: &InvocationProfile, placement: Placement, at: UtcTime) -> Estimate {
    let function = Estimator::new(profile, at);
    function.estimate(
        &function.site(placement.provider, placement.region),
        &function.size(placement.provider, placement.memory),
    )
}

/// Estimates one function on several placements. What depends only on provider and region
/// ([`Site`]) and what depends only on provider and memory size ([`Size`]) is computed once each.
pub(crate) struct Estimator<'a> {
    profile: &'a InvocationProfile,
    at: UtcTime,
    mean_ms: f64,
    p95_ms: f64,
    /// Standard deviation of the logarithm of its run times.
    sigma: f64,
}

/// A function in a memory size of a provider, whatever the region.
pub(crate) struct Size {
    memory: MemoryTier,
    feasible: bool,
    times: RunTimes,
    p95_ms: f64,
    load_ms: f64,
    start: StartDelay,
    /// Its runs when the function moves there: one cold start more, spread over its calls.
    moved: Runs,
}

/// Runs, a share of which starts cold.
#[derive(Clone, Copy)]
struct Runs {
    cold: f64,
    /// Mean run time in ms, including the load time of cold runs.
    mean_ms: f64,
    p95_ms: f64,
    spent: carbon::Spent,
}

impl<'a> Estimator<'a> {
    pub(crate) fn new(profile: &'a InvocationProfile, at: UtcTime) -> Self {
        let mean_ms = profile.duration_ms.max(0.0);
        let p95_ms = profile.duration_p95_ms.unwrap_or(mean_ms * TYPICAL_P95_OVER_MEAN);
        let sigma = profile
            .duration_std_ms
            .map_or(TYPICAL_SIGMA, |std_ms| log_deviation(std_ms, profile.duration_ms));
        Self { profile, at, mean_ms, p95_ms: p95_ms.max(mean_ms), sigma }
    }

    pub(crate) fn site(&self, provider: Provider, region: Region) -> Site {
        Site::new(self.profile, provider, region)
    }

    pub(crate) fn size(&self, provider: Provider, memory: MemoryTier) -> Size {
        let placement = Placement { provider, region: self.profile.reference.region, memory };
        let factor =
            scaling::run_time_factor(self.profile.reference, placement, self.profile.cpu_share);
        let mut size = Size {
            memory,
            feasible: scaling::fits(placement, self.profile.memory_used_mb.max(0.0)),
            times: RunTimes::new(self.mean_ms * factor, self.sigma),
            p95_ms: self.p95_ms * factor,
            load_ms: cold_start::load_ms(placement),
            start: cold_start::start_delay(provider),
            moved: Runs { cold: 0.0, mean_ms: 0.0, p95_ms: 0.0, spent: carbon::Spent::default() },
        };
        // The one cold start of a move, unless the first call would be cold anyway.
        let chance = self.chance(provider);
        let moves = (1.0 - chance.first) / self.profile.calls_after_move.max(1.0);
        size.moved = self.runs(placement, &size, (chance.share + moves).min(1.0));
        size
    }

    fn chance(&self, provider: Provider) -> Chance {
        let Chance { first, share } = self.profile.cold[provider.index()];
        Chance { first: first.clamp(0.0, 1.0), share: share.clamp(0.0, 1.0) }
    }

    fn runs(&self, placement: Placement, size: &Size, cold: f64) -> Runs {
        let mean_ms = size.times.mean_ms + cold * size.load_ms;
        let run = carbon::Run {
            duration_ms: mean_ms,
            cpu_share: self.profile.cpu_share,
            memory_used_mb: self.profile.memory_used_mb.max(0.0),
        };
        Runs {
            cold,
            mean_ms,
            p95_ms: p95_run_ms(size, cold),
            spent: carbon::Spent::new(placement, run),
        }
    }

    /// The estimate of a memory size in a region; both must be of the same provider.
    pub(crate) fn estimate(&self, site: &Site, size: &Size) -> Estimate {
        let Site { provider, region, network_ms, transfer, network_bytes } = *site;
        let placement = Placement { provider, region, memory: size.memory };
        let runs = if placement == self.profile.reference {
            self.runs(placement, size, self.chance(provider).share)
        } else {
            size.moved
        };
        let memory_used_mb = self.profile.memory_used_mb.max(0.0);
        Estimate {
            cost: price::invocation_price(placement, runs.mean_ms, memory_used_mb) + transfer,
            latency_ms: network_ms + runs.mean_ms + runs.cold * size.start.mean_ms,
            p95_latency_ms: network_ms + runs.p95_ms,
            cold_start_probability: runs.cold,
            carbon: runs.spent.footprint((provider, region), network_bytes, self.at),
            late_share: late_share(size, runs.cold, self.profile.sla_ms - network_ms),
            feasible: size.feasible,
        }
    }
}

/// Share of calls that run for longer than `left_ms`: log-normal run times and, in a share `cold`
/// of calls, loading and a start delay, which is taken at its 1/6, 1/2 and 5/6 quantiles.
fn late_share(size: &Size, cold: f64, left_ms: f64) -> f64 {
    let warm = size.times.share_longer(left_ms);
    if cold <= 0.0 {
        return warm;
    }
    let delays = size.start.sixths_ms;
    let longer = |delay: &f64| size.times.share_longer(left_ms - size.load_ms - delay);
    let slow: f64 = delays.iter().map(longer).sum();
    (1.0 - cold) * warm + cold * slow / delays.len() as f64
}

/// 95th percentile in ms of runs of which a share `cold` first waits for a start delay (log-normal
/// by its median and 95th percentile) and loads. Up to 5 % of cold runs, that is the 95th
/// percentile of warm runs. Beyond, the slowest runs are the cold ones: the start delay is taken at
/// the quantile that leaves 5 % of all runs above it.
fn p95_run_ms(size: &Size, cold: f64) -> f64 {
    if cold <= TAIL {
        return size.p95_ms;
    }
    let start = &size.start;
    let sigma = (start.p95_ms / start.median_ms).ln() / Z95;
    let delay = start.median_ms * (sigma * normal_quantile(1.0 - TAIL / cold)).exp();
    size.p95_ms.max(size.times.mean_ms + size.load_ms + delay)
}

const TAIL: f64 = 0.05;

#[cfg(test)]
mod tests;
