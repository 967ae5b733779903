//! What a placement would mean for a function: cost, latency, carbon.

use crate::{
    GramsCo2e, MemoryTier, Placement, Provider, Region, Usd, UtcTime, carbon, cold_start, latency,
    price,
    run_times::{RunTimes, TYPICAL_SIGMA, Z95, log_deviation, normal_quantile},
    scaling,
};

/// 95th percentile over mean of a function's run time when only its mean is known: the median over the warm runs of
/// SeBS (see [`crate::TYPICAL_CPU_SHARE`] for the source).
pub const TYPICAL_P95_OVER_MEAN: f64 = 1.24;

/// Where a function's callers and data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The area of the callers and the data.
    pub region: Region,
    /// The provider that holds the data and so sends the requests; `None` when callers are on the internet.
    pub provider: Option<Provider>,
}

/// What is known about a function's invocations.
///
/// Values that cannot be (negative, not a number) count as 0 and never panic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvocationProfile {
    /// Mean time of a warm run on `reference`, in ms, without queueing and network.
    pub duration_ms: f64,
    /// 95th percentile of the same, in ms; [`TYPICAL_P95_OVER_MEAN`] times the mean when unknown.
    pub duration_p95_ms: Option<f64>,
    /// Standard deviation of the same, in ms; unknown, that of a log-normal distribution whose 95th percentile is
    /// [`TYPICAL_P95_OVER_MEAN`] times its mean.
    pub duration_std_ms: Option<f64>,
    /// Where those durations were observed.
    pub reference: Placement,
    /// Share of a run at full speed that waits for the processor, 0 to 1; [`crate::TYPICAL_CPU_SHARE`] when unknown.
    pub cpu_share: f64,
    /// Memory a run uses, in MB.
    pub memory_used_mb: f64,
    /// How likely its invocations are to be cold where it runs, by provider.
    pub cold: [cold_start::Chance; 3],
    /// Bytes of a request.
    pub request_bytes: f64,
    /// Bytes of an answer.
    pub response_bytes: f64,
    /// Where callers and data are.
    pub home: Home,
    /// Latency an invocation is promised, in ms.
    pub sla_ms: f64,
    /// Invocations over which the one cold start of a move away from `reference` is spread; infinite when moves are
    /// not to be counted.
    pub calls_after_move: f64,
}

/// What one invocation on a placement is expected to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Price of one invocation, egress included.
    pub cost: Usd,
    /// Mean time from a caller's request to its answer, in ms: network, run, and cold starts by their probability.
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

/// A warm run on a placement, before cold starts: what does not depend on how often the function is called.
///
/// The simulator prices single invocations with the same formula that [`estimate`] uses for the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedRun {
    placement: Placement,
    /// How many times longer a run takes here than on the profile's reference.
    pub run_time_factor: f64,
    /// Time on the network per invocation, in ms.
    pub network_ms: f64,
    /// Price of the bytes of one invocation.
    pub transfer: Usd,
    cpu_share: f64,
    memory_used_mb: f64,
    network_bytes: f64,
}

impl PlacedRun {
    /// A function of this profile on `placement`.
    pub fn new(profile: &InvocationProfile, placement: Placement) -> Self {
        let site = Site::new(profile, placement.provider, placement.region);
        Self {
            placement,
            run_time_factor: scaling::run_time_factor(
                profile.reference,
                placement,
                profile.cpu_share,
            ),
            network_ms: site.network_ms,
            transfer: site.transfer,
            cpu_share: profile.cpu_share,
            memory_used_mb: profile.memory_used_mb.max(0.0),
            network_bytes: site.network_bytes,
        }
    }

    /// Whether the function can run there at all.
    pub fn is_feasible(&self) -> bool {
        scaling::fits(self.placement, self.memory_used_mb)
    }

    /// Price of one invocation that runs for `run_ms` on this placement, egress included.
    pub fn cost(&self, run_ms: f64) -> Usd {
        price::invocation_price(self.placement, run_ms, self.memory_used_mb) + self.transfer
    }

    /// Gas of one invocation that runs for `run_ms` on this placement.
    pub fn carbon(&self, run_ms: f64, at: UtcTime) -> GramsCo2e {
        let run = carbon::Run {
            duration_ms: run_ms,
            cpu_share: self.cpu_share,
            memory_used_mb: self.memory_used_mb,
        };
        let site = (self.placement.provider, self.placement.region);
        carbon::Spent::new(self.placement, run).footprint(site, self.network_bytes, at)
    }
}

/// What one invocation of `profile` on `placement` at `at` is expected to cost, take and emit.
///
/// Lookups and a few exponentials: well under 2 us. An infeasible placement is estimated all the same, and says so.
pub fn estimate(profile: &InvocationProfile, placement: Placement, at: UtcTime) -> Estimate {
    let function = Judged::new(profile, at);
    function.estimate(
        &function.site(placement.provider, placement.region),
        &function.size(placement.provider, placement.memory),
    )
}

/// A function about to be estimated on several placements. What depends on the provider and the region only, and what depends on the provider
/// and the memory size only, is worked out once for each.
pub(crate) struct Judged<'a> {
    profile: &'a InvocationProfile,
    at: UtcTime,
    mean_ms: f64,
    p95_ms: f64,
    /// Standard deviation of the logarithm of its run times.
    sigma: f64,
}

/// A function in a region of a provider, whatever its memory.
pub(crate) struct Site {
    provider: Provider,
    region: Region,
    network_ms: f64,
    transfer: Usd,
    network_bytes: f64,
}

impl Site {
    fn new(profile: &InvocationProfile, provider: Provider, region: Region) -> Self {
        let home = profile.home;
        let data = home.provider.map(|provider| (provider, home.region));
        let (request, response) = (profile.request_bytes.max(0.0), profile.response_bytes.max(0.0));
        let here = (provider, region);
        let round_trip = latency::caller_round_trip_ms(home.region, home.provider, here);
        Self {
            provider,
            region,
            network_ms: latency::network_ms(round_trip, request, response),
            transfer: price::transfer_price(here, data, request, response),
            network_bytes: if data == Some(here) { 0.0 } else { request + response },
        }
    }
}

/// A function with a memory size of a provider, wherever it runs.
pub(crate) struct Size {
    memory: MemoryTier,
    feasible: bool,
    times: RunTimes,
    p95_ms: f64,
    load_ms: f64,
    start: cold_start::StartDelay,
    /// Runs there as often cold as after a move.
    moved: Runs,
}

/// Runs of which a share is cold.
#[derive(Clone, Copy)]
struct Runs {
    cold: f64,
    /// Mean time, loading of cold ones included.
    mean_ms: f64,
    p95_ms: f64,
    spent: carbon::Spent,
}

impl<'a> Judged<'a> {
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

    fn chance(&self, provider: Provider) -> cold_start::Chance {
        let cold_start::Chance { first, share } = self.profile.cold[provider.index()];
        cold_start::Chance { first: first.clamp(0.0, 1.0), share: share.clamp(0.0, 1.0) }
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

    /// The estimate of a memory size in a region, both of one provider.
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

/// Share of calls that run for longer than `left_ms`: log-normal run times and, in a share `cold` of calls, loading and a start delay, which is
/// taken at its 1/6, 1/2 and 5/6 quantiles.
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

/// 95th percentile of a mixture in which a share `cold` of runs waits for a start delay (log-normal by its median and 95th percentile) and
/// loads first. While fewer than one in twenty is cold, that is the 95th percentile of warm runs; beyond, the slow ones are
/// the cold ones, and the quantile is that of the start delay which leaves one in twenty of all above it.
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
mod tests {
    use super::*;
    use crate::{CallPattern, MemoryTier, TYPICAL_CPU_SHARE};
    use proptest::prelude::*;

    const NOON: UtcTime = UtcTime::from_unix_seconds(12 * 3600);
    const AZURE: Placement =
        Placement { provider: Provider::Azure, region: Region::UsEast, memory: MemoryTier::Mb512 };

    fn called(rate_per_min: f64) -> [cold_start::Chance; 3] {
        cold_start::Chance::by_provider(&CallPattern::at_rate(rate_per_min), 1.0)
    }

    fn profile() -> InvocationProfile {
        InvocationProfile {
            duration_ms: 200.0,
            duration_p95_ms: None,
            duration_std_ms: None,
            reference: AZURE,
            cpu_share: TYPICAL_CPU_SHARE,
            memory_used_mb: 140.0,
            cold: called(30.0),
            request_bytes: 500.0,
            response_bytes: 2000.0,
            home: Home { region: Region::UsEast, provider: Some(Provider::Azure) },
            sla_ms: 1000.0,
            calls_after_move: f64::INFINITY,
        }
    }

    #[test]
    fn staying_at_home_warm_is_the_run_and_one_local_round_trip() {
        let here = estimate(&profile(), AZURE, NOON);
        assert!((here.latency_ms - 201.0).abs() < 1e-6, "{}", here.latency_ms);
        assert!((here.p95_latency_ms - (1.0 + 200.0 * TYPICAL_P95_OVER_MEAN)).abs() < 1e-6);
        // 256 MB for 0.2 s and a request; nothing leaves the region.
        assert!((here.cost.get() - (0.25 * 0.2 * 1.6e-5 + 2e-7)).abs() < 1e-15);
        assert!(here.feasible && here.cold_start_probability < 1e-9);
    }

    #[test]
    fn a_rare_function_pays_for_cold_starts_in_mean_and_more_in_the_tail() {
        let rare = InvocationProfile { cold: called(0.001), ..profile() };
        let (warm, cold) = (estimate(&profile(), AZURE, NOON), estimate(&rare, AZURE, NOON));
        assert!(cold.cold_start_probability > 0.95);
        assert!(cold.latency_ms > warm.latency_ms + 2500.0);
        assert!(cold.p95_latency_ms > 7000.0);
    }

    #[test]
    fn a_cold_start_loads_code_at_the_speed_of_the_placement_and_bills_it() {
        let lambda = |memory| Placement { provider: Provider::Aws, region: Region::UsEast, memory };
        let never = InvocationProfile { cold: called(0.0), ..profile() };
        let extra = |memory| {
            let cold = estimate(&never, lambda(memory), NOON);
            let warm = estimate(&profile(), lambda(memory), NOON);
            (cold.latency_ms - warm.latency_ms, (cold.cost - warm.cost).get())
        };
        // 265 ms for an instance, and 103 ms of loading, 7.03 times as long at 256 MB.
        let (small_ms, small_usd) = extra(MemoryTier::Mb256);
        assert!((small_ms - (265.0 + 103.0 * 7.03)).abs() < 1e-3, "{small_ms}");
        assert!((extra(MemoryTier::Mb2048).0 - 368.0).abs() < 1e-3);
        assert!((small_usd / (0.25 * 0.72409 * 1.66667e-5) - 1.0).abs() < 5e-3, "{small_usd}");
    }

    #[test]
    fn too_little_memory_is_infeasible() {
        let small = Placement { memory: MemoryTier::Mb128, ..AZURE };
        assert!(!estimate(&profile(), small, NOON).feasible);
    }

    #[test]
    fn a_promise_at_the_median_is_broken_half_the_time_and_by_cold_starts() {
        let here = |profile: &InvocationProfile| estimate(profile, AZURE, NOON).late_share;
        let spread = InvocationProfile { duration_std_ms: Some(200.0), ..profile() };
        let median_ms = 200.0 / 2f64.sqrt();
        let at_median = InvocationProfile { sla_ms: 1.0 + median_ms, ..spread };
        assert!((here(&at_median) - 0.5).abs() < 1e-6);
        assert!(here(&profile()) < 1e-6);
        // Half of Azure's starts take longer than 1436 ms.
        let never = InvocationProfile { cold: called(0.0), ..profile() };
        assert!((0.6..=1.0).contains(&here(&never)), "{}", here(&never));
    }

    #[test]
    fn a_move_costs_one_cold_start() {
        let there = Placement { region: Region::UsWest, ..AZURE };
        let moved = InvocationProfile { calls_after_move: 4.0, ..profile() };
        assert!((estimate(&moved, there, NOON).cold_start_probability - 0.25).abs() < 1e-6);
        assert_eq!(estimate(&moved, AZURE, NOON), estimate(&profile(), AZURE, NOON));
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => 0.0..1e7f64,
            1 => prop::num::f64::ANY,
        ]
    }

    proptest! {
        #[test]
        fn nonsense_never_panics_and_sense_gives_sense(
            index in 0..Placement::COUNT, numbers in prop::array::uniform7(any_number()), hour in 0..24i64,
        ) {
            let profile = InvocationProfile {
                duration_ms: numbers[0],
                duration_p95_ms: Some(numbers[1]),
                cpu_share: numbers[2],
                memory_used_mb: numbers[3],
                cold: [cold_start::Chance { first: numbers[4], share: numbers[5] }; 3],
                response_bytes: numbers[6],
                ..profile()
            };
            let placement = Placement::from_index(index).unwrap_or(AZURE);
            let at = UtcTime::from_unix_seconds(hour * 3600);
            let estimate = super::estimate(&profile, placement, at);
            if numbers.iter().all(|n| n.is_finite() && n.abs() < 1e8) {
                prop_assert!(estimate.cost.get().is_finite() && estimate.cost.get() > 0.0);
                prop_assert!(estimate.latency_ms.is_finite() && estimate.latency_ms > 0.0);
                prop_assert!(estimate.p95_latency_ms.is_finite());
                prop_assert!(estimate.carbon.get().is_finite() && estimate.carbon.get() >= 0.0);
                prop_assert!((0.0..=1.0).contains(&estimate.cold_start_probability));
                prop_assert!((0.0..=1.0).contains(&estimate.late_share));
            }
        }

        #[test]
        fn a_longer_run_costs_takes_and_emits_no_less(
            index in 0..Placement::COUNT, a in 0.0..1e6f64, b in 0.0..1e6f64,
        ) {
            let placement = Placement::from_index(index).unwrap_or(AZURE);
            let of = |ms| estimate(&InvocationProfile { duration_ms: ms, ..profile() }, placement, NOON);
            let (short, long) = (of(a.min(b)), of(a.max(b)));
            prop_assert!(short.cost <= long.cost);
            prop_assert!(short.latency_ms <= long.latency_ms);
            prop_assert!(short.carbon <= long.carbon);
        }
    }
}
