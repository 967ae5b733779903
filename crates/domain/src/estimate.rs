//! What a placement would mean for a function: cost, latency, carbon.

use crate::{
    GramsCo2e, Placement, Provider, Region, Usd, UtcTime, carbon, cold_start, latency, price,
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
        let home = profile.home;
        let data = home.provider.map(|provider| (provider, home.region));
        let (request, response) = (profile.request_bytes.max(0.0), profile.response_bytes.max(0.0));
        let stays = data == Some((placement.provider, placement.region));
        let round_trip = latency::caller_round_trip_ms(home.region, home.provider, placement);
        Self {
            placement,
            run_time_factor: scaling::run_time_factor(
                profile.reference,
                placement,
                profile.cpu_share,
            ),
            network_ms: latency::network_ms(round_trip, request, response),
            transfer: price::transfer_price(placement, data, request, response),
            cpu_share: profile.cpu_share,
            memory_used_mb: profile.memory_used_mb.max(0.0),
            network_bytes: if stays { 0.0 } else { request + response },
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
            network_bytes: self.network_bytes,
        };
        carbon::footprint(self.placement, run, at)
    }
}

/// What one invocation of `profile` on `placement` at `at` is expected to cost, take and emit.
///
/// Lookups and a few exponentials: well under 2 us. An infeasible placement is estimated all the same, and says so.
pub fn estimate(profile: &InvocationProfile, placement: Placement, at: UtcTime) -> Estimate {
    let placed = PlacedRun::new(profile, placement);
    let mean_ms = profile.duration_ms.max(0.0);
    let p95_ms = profile.duration_p95_ms.unwrap_or(mean_ms * TYPICAL_P95_OVER_MEAN).max(mean_ms);
    let warm = WarmRun {
        mean_ms: mean_ms * placed.run_time_factor,
        p95_ms: p95_ms * placed.run_time_factor,
    };
    let cold = cold_probability(profile, placement);
    let load_ms = cold_start::load_ms(placement);
    let run_ms = warm.mean_ms + cold * load_ms;
    let start = cold_start::start_delay(placement.provider);
    Estimate {
        cost: placed.cost(run_ms),
        latency_ms: placed.network_ms + run_ms + cold * start.mean_ms,
        p95_latency_ms: placed.network_ms + p95_run_ms(warm, cold, start, load_ms),
        cold_start_probability: cold,
        carbon: placed.carbon(run_ms, at),
        late_share: late_share(profile, placement, &placed, cold),
        feasible: placed.is_feasible(),
    }
}

/// Cold starts after gaps in the calls, and the one that a move causes unless the first call would be cold anyway.
fn cold_probability(profile: &InvocationProfile, placement: Placement) -> f64 {
    let chance = profile.cold[placement.provider.index()];
    let (first, share) = (chance.first.clamp(0.0, 1.0), chance.share.clamp(0.0, 1.0));
    if placement == profile.reference {
        share
    } else {
        (share + (1.0 - first) / profile.calls_after_move.max(1.0)).min(1.0)
    }
}

/// Log-normal run times and, in a share `cold` of calls, a start delay, which is taken at its 1/6, 1/2 and 5/6 quantiles.
fn late_share(
    profile: &InvocationProfile,
    placement: Placement,
    placed: &PlacedRun,
    cold: f64,
) -> f64 {
    let mean_ms = profile.duration_ms.max(0.0) * placed.run_time_factor;
    let deviation = profile
        .duration_std_ms
        .map_or(TYPICAL_SIGMA, |std_ms| log_deviation(std_ms, profile.duration_ms));
    let sigma = deviation.max(LEAST_SIGMA);
    let median_ln = mean_ms.ln() - sigma * sigma / 2.0;
    let longer = |left_ms: f64| {
        if mean_ms <= 0.0 || left_ms <= 0.0 {
            return f64::from(u8::from(left_ms <= 0.0));
        }
        normal_tail((left_ms.ln() - median_ln) / sigma)
    };
    let left_ms = profile.sla_ms - placed.network_ms;
    let warm = longer(left_ms);
    if cold <= 0.0 {
        return warm;
    }
    let start = cold_start::start_delay(placement.provider);
    let spread = (start.p95_ms / start.median_ms).powf(SIXTH / Z95);
    let load_ms = cold_start::load_ms(placement);
    let delays = [start.median_ms / spread, start.median_ms, start.median_ms * spread];
    let slow: f64 = delays.iter().map(|delay| longer(left_ms - load_ms - delay)).sum();
    (1.0 - cold) * warm + cold * slow / delays.len() as f64
}

/// Standard deviation of the logarithm of a log-normal variable with this standard deviation and mean.
fn log_deviation(std: f64, mean: f64) -> f64 {
    let relative = std.max(0.0) / mean.max(f64::MIN_POSITIVE);
    (relative * relative).min(f64::MAX).ln_1p().sqrt()
}

/// The same where 95th percentile over mean is [`TYPICAL_P95_OVER_MEAN`]: exp(1.645 s - s^2 / 2) = 1.24.
const TYPICAL_SIGMA: f64 = 0.1364;
/// Runs of one length; kept above 0 to divide by.
const LEAST_SIGMA: f64 = 1e-3;
/// The 5/6 quantile of the standard normal distribution.
const SIXTH: f64 = 0.967_422;

/// Probability that a standard normal variable exceeds `z`, error below 1e-7 (Abramowitz and Stegun, formula 26.2.17).
fn normal_tail(z: f64) -> f64 {
    let x = z.abs().min(40.0);
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let polynomial = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let upper = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial;
    if z < 0.0 { 1.0 - upper } else { upper }
}

struct WarmRun {
    mean_ms: f64,
    p95_ms: f64,
}

/// 95th percentile of a mixture in which a share `cold` of runs waits for a start delay (log-normal by its median and 95th percentile) and
/// loads first. While fewer than one in twenty is cold, that is the 95th percentile of warm runs; beyond, the slow ones are
/// the cold ones, and the quantile is that of the start delay which leaves one in twenty of all above it.
fn p95_run_ms(warm: WarmRun, cold: f64, start: cold_start::StartDelay, load_ms: f64) -> f64 {
    if cold <= TAIL {
        return warm.p95_ms;
    }
    let level = 1.0 - TAIL / cold;
    let sigma = (start.p95_ms / start.median_ms).ln() / Z95;
    let delay = start.median_ms * (sigma * normal_quantile(level)).exp();
    warm.p95_ms.max(warm.mean_ms + load_ms + delay)
}

const TAIL: f64 = 0.05;
/// 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_6;

/// Quantile of the standard normal distribution, error below 4.5e-4 (Abramowitz and Stegun, formula 26.2.23).
fn normal_quantile(level: f64) -> f64 {
    let level = level.clamp(1e-6, 1.0 - 1e-6);
    let tail = level.min(1.0 - level);
    let t = (-2.0 * tail.ln()).sqrt();
    let z = t
        - (2.515_517 + t * (0.802_853 + t * 0.010_328))
            / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    if level < 0.5 { -z } else { z }
}

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
    fn the_normal_quantile_knows_its_table() {
        for (level, z) in [(0.5, 0.0), (0.95, 1.6449), (0.025, -1.96), (0.84134, 1.0)] {
            assert!((normal_quantile(level) - z).abs() < 1e-3, "{level}");
        }
    }

    #[test]
    fn the_normal_tail_knows_its_table() {
        for (z, tail) in [(0.0, 0.5), (1.6449, 0.05), (-1.96, 0.975), (3.0, 0.00135), (60.0, 0.0)] {
            assert!((normal_tail(z) - tail).abs() < 1e-5, "{z}");
        }
        let sigma = TYPICAL_SIGMA;
        assert!(((Z95 * sigma - sigma * sigma / 2.0).exp() - TYPICAL_P95_OVER_MEAN).abs() < 1e-3);
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
