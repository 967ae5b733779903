use super::{profile::InvocationProfile, site::Site};
use crate::{
    catalogue::{Catalogue, Platform, PlatformId, Rates, RegionId, Size, Speed},
    formulas::{
        carbon::{self, RegionPower},
        cold_start::{self, Chance, StartDelay},
        price,
        run_times::{
            RunTimes, TYPICAL_P95_OVER_MEAN, TYPICAL_SIGMA, Z95, log_deviation, normal_quantile,
        },
        scaling,
    },
    placement::{Placement, Running},
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
    /// Whether the function can run there at all: the memory holds it, and the
    /// platform lets it run for as long as it takes.
    pub feasible: bool,
}

/// What one invocation of `profile` on `placement` at `at` is expected to cost, take and emit;
/// `None` where the platform sells nothing.
///
/// Takes less than 2 us. An infeasible placement is estimated as well and marked as infeasible.
pub fn estimate(
    catalogue: &Catalogue,
    profile: &InvocationProfile,
    placement: Placement,
    at: UtcTime,
) -> Option<Estimate> {
    let function = Estimator::new(catalogue, profile, at);
    let size = function.size(placement.platform, placement.memory_mb);
    function.estimate(&function.site(placement.region), &size)
}

/// Estimates one function on several placements. What depends only on the region ([`SiteNow`]) and
/// what depends only on platform and memory size ([`SizedFunction`]) is computed once each.
pub(crate) struct Estimator<'a> {
    catalogue: &'a Catalogue,
    profile: &'a InvocationProfile,
    at: UtcTime,
    mean_ms: f64,
    p95_ms: f64,
    /// Standard deviation of the logarithm of its run times.
    sigma: f64,
    /// The speed at which its run times were observed.
    observed: Speed,
}

/// A function in a region, and the region's grid at the time of the estimate.
pub(crate) struct SiteNow {
    site: Site,
    power: RegionPower,
}

impl SiteNow {
    /// The region.
    pub(crate) fn region(&self) -> RegionId {
        self.site.region
    }

    /// What estimates rise with in this region at these rates: see
    /// [`undominated`](super::undominated()).
    pub(super) fn burdens(&self, rates: &Rates) -> [f64; 7] {
        let Self { site, power } = self;
        [
            rates.request_usd,
            rates.gb_second_usd,
            rates.vcpu_second_usd,
            site.transfer.get(),
            site.network_ms,
            power.pue * power.intensity,
            site.network_bytes * power.intensity,
        ]
    }
}

/// A function in a memory size of a platform, whatever the region.
pub(crate) struct SizedFunction<'a> {
    id: PlatformId,
    platform: &'a Platform,
    size: Size,
    feasible: bool,
    times: RunTimes,
    p95_ms: f64,
    load_ms: f64,
    start: &'a StartDelay,
    /// Its runs when the function moves there: one cold start more, spread over its calls.
    moved: Runs,
    /// Its runs when it stays there.
    stays: Runs,
}

/// Runs, a share of which starts cold.
#[derive(Clone, Copy, Default)]
struct Runs {
    cold: f64,
    /// Mean run time in ms, including the load time of cold runs.
    mean_ms: f64,
    p95_ms: f64,
    billed: price::Billed,
    spent: carbon::Spent,
}

impl<'a> Estimator<'a> {
    pub(crate) fn new(
        catalogue: &'a Catalogue,
        profile: &'a InvocationProfile,
        at: UtcTime,
    ) -> Self {
        let mean_ms = profile.duration_ms.max(0.0);
        let p95_ms = profile.duration_p95_ms.unwrap_or(mean_ms * TYPICAL_P95_OVER_MEAN);
        let sigma = profile
            .duration_std_ms
            .map_or(TYPICAL_SIGMA, |std_ms| log_deviation(std_ms, profile.duration_ms));
        let reference = catalogue.platform(profile.reference.platform);
        let observed = reference.speed(&reference.size(profile.reference.memory_mb));
        Self { catalogue, profile, at, mean_ms, p95_ms: p95_ms.max(mean_ms), sigma, observed }
    }

    pub(crate) fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    pub(crate) fn profile(&self) -> &'a InvocationProfile {
        self.profile
    }

    pub(crate) fn site(&self, region: RegionId) -> SiteNow {
        SiteNow {
            site: Site::new(self.catalogue, self.profile, region),
            power: RegionPower::of(self.catalogue.region(region), self.at),
        }
    }

    pub(crate) fn size(&self, id: PlatformId, memory_mb: u32) -> SizedFunction<'a> {
        self.sized(id, self.catalogue.platform(id).size(memory_mb))
    }

    /// The same for figures of a size that are known.
    pub(crate) fn sized(&self, id: PlatformId, size: Size) -> SizedFunction<'a> {
        let platform = self.catalogue.platform(id);
        let speed = platform.speed(&size);
        let factor = speed.run_time_factor(self.observed, self.profile.cpu_share);
        let times = RunTimes::new(self.mean_ms * factor, self.sigma);
        let p95_ms = self.p95_ms * factor;
        let in_time = platform.longest_run_ms.is_none_or(|longest| p95_ms <= longest);
        let fits = scaling::fits(size.memory_mb, self.profile.memory_used_mb.max(0.0));
        let none = Runs::default();
        let mut sized = SizedFunction {
            id,
            platform,
            size,
            feasible: fits && in_time,
            times,
            p95_ms,
            load_ms: cold_start::load_ms(speed),
            start: &platform.cold_starts.start,
            moved: none,
            stays: none,
        };
        // The one cold start of a move, unless the first call would be cold anyway.
        let chance = self.chance(id);
        let moves = (1.0 - chance.first) / self.profile.calls_after_move.max(1.0);
        sized.moved = self.runs(&sized, (chance.share + moves).min(1.0));
        let Running { platform: here, memory_mb, .. } = self.profile.reference;
        if (here, memory_mb) == (id, size.memory_mb) {
            sized.stays = self.runs(&sized, chance.share);
        }
        sized
    }

    fn chance(&self, platform: PlatformId) -> Chance {
        let Chance { first, share } =
            self.profile.cold.get(platform.index()).copied().unwrap_or_default();
        Chance { first: first.clamp(0.0, 1.0), share: share.clamp(0.0, 1.0) }
    }

    fn runs(&self, sized: &SizedFunction<'_>, cold: f64) -> Runs {
        let mean_ms = sized.times.mean_ms + cold * sized.load_ms;
        let run = carbon::Run {
            duration_ms: mean_ms,
            cpu_share: self.profile.cpu_share,
            memory_used_mb: self.profile.memory_used_mb.max(0.0),
        };
        Runs {
            cold,
            mean_ms,
            p95_ms: p95_run_ms(sized, cold),
            billed: price::Billed::new(sized.platform, &sized.size, mean_ms, run.memory_used_mb),
            spent: carbon::Spent::new(sized.platform, &sized.size, run),
        }
    }

    /// The estimate of a memory size in a region; `None` where the platform sells nothing.
    pub(crate) fn estimate(&self, at: &SiteNow, sized: &SizedFunction<'_>) -> Option<Estimate> {
        let rates = self.catalogue.rates(sized.id, at.site.region)?;
        Some(self.estimate_at(at, sized, rates))
    }

    /// The same at the rates of the platform in that region.
    pub(crate) fn estimate_at(
        &self,
        SiteNow { site, power }: &SiteNow,
        sized: &SizedFunction<'_>,
        rates: &Rates,
    ) -> Estimate {
        let Site { region, network_ms, transfer, network_bytes } = *site;
        let placement = Placement { platform: sized.id, region, memory_mb: sized.size.memory_mb };
        let stays = self.profile.reference == Running::from(placement);
        let runs = if stays { &sized.stays } else { &sized.moved };
        Estimate {
            cost: runs.billed.price(rates) + transfer,
            latency_ms: network_ms + runs.mean_ms + runs.cold * sized.start.mean_ms,
            p95_latency_ms: network_ms + runs.p95_ms,
            cold_start_probability: runs.cold,
            carbon: runs.spent.footprint(*power, network_bytes),
            late_share: late_share(sized, runs.cold, self.profile.sla_ms - network_ms),
            feasible: sized.feasible,
        }
    }
}

/// Share of calls that run for longer than `left_ms`: log-normal run times and, in a share `cold`
/// of calls, loading and a start delay, which is taken at its 1/6, 1/2 and 5/6 quantiles.
fn late_share(size: &SizedFunction<'_>, cold: f64, left_ms: f64) -> f64 {
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
fn p95_run_ms(size: &SizedFunction<'_>, cold: f64) -> f64 {
    if cold <= TAIL {
        return size.p95_ms;
    }
    let start = size.start;
    let sigma = (start.p95_ms / start.median_ms).ln() / Z95;
    let delay = start.median_ms * (sigma * normal_quantile(1.0 - TAIL / cold)).exp();
    size.p95_ms.max(size.times.mean_ms + size.load_ms + delay)
}

const TAIL: f64 = 0.05;

#[cfg(test)]
mod tests;
