//! What an estimate says of known functions, and that it is sound for any.

use proptest::prelude::*;

use super::*;
use crate::{calls::CallPattern, estimate::Home, formulas::scaling::TYPICAL_CPU_SHARE};

const NOON: UtcTime = UtcTime::from_unix_seconds(12 * 3600);
const AZURE: Placement =
    Placement { provider: Provider::Azure, region: Region::UsEast, memory: MemoryTier::Mb512 };

fn called(rate_per_min: f64) -> [Chance; Provider::COUNT] {
    Chance::by_provider(&CallPattern::at_rate(rate_per_min), 1.0)
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
        index in 0..Placement::COUNT,
        numbers in prop::array::uniform7(any_number()),
        hour in 0..24i64,
    ) {
        let profile = InvocationProfile {
            duration_ms: numbers[0],
            duration_p95_ms: Some(numbers[1]),
            cpu_share: numbers[2],
            memory_used_mb: numbers[3],
            cold: [Chance { first: numbers[4], share: numbers[5] }; Provider::COUNT],
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
        let of = |duration_ms| {
            estimate(&InvocationProfile { duration_ms, ..profile() }, placement, NOON)
        };
        let (short, long) = (of(a.min(b)), of(a.max(b)));
        prop_assert!(short.cost <= long.cost);
        prop_assert!(short.latency_ms <= long.latency_ms);
        prop_assert!(short.carbon <= long.carbon);
    }
}
