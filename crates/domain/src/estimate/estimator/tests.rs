//! What an estimate says of known functions, and that it is sound for any.

use proptest::prelude::*;

use super::*;
use crate::{
    calls::CallPattern,
    catalogue::{
        CandidateId, Home, Origin,
        test_catalogue::{CLOUD, METERED, test_catalogue},
    },
    formulas::scaling::TYPICAL_CPU_SHARE,
};

const NOON: UtcTime = UtcTime::from_unix_seconds(12 * 3600);

fn place(catalogue: &Catalogue, platform: &str, region: usize, memory_mb: u32) -> Placement {
    let platform = catalogue.find_platform(platform).unwrap_or_else(|| panic!("{platform}"));
    Placement { platform, region: RegionId::new(region), memory_mb }
}

fn metered(catalogue: &Catalogue) -> Placement {
    place(catalogue, METERED, 2, 512)
}

fn called(catalogue: &Catalogue, rate_per_min: f64) -> Vec<Chance> {
    Chance::by_platform(catalogue, &CallPattern::at_rate(rate_per_min), 1.0)
}

fn profile(catalogue: &Catalogue) -> InvocationProfile {
    let here = metered(catalogue);
    InvocationProfile {
        duration_ms: 200.0,
        duration_p95_ms: None,
        duration_std_ms: None,
        reference: here.into(),
        cpu_share: TYPICAL_CPU_SHARE,
        memory_used_mb: 140.0,
        cold: called(catalogue, 30.0),
        request_bytes: 500.0,
        response_bytes: 2000.0,
        home: Home { callers: Origin::Region(here.region), data: Some(here.region) },
        sla_ms: 1000.0,
        calls_after_move: f64::INFINITY,
    }
}

#[track_caller]
fn estimated(catalogue: &Catalogue, profile: &InvocationProfile, at: Placement) -> Estimate {
    estimate(catalogue, profile, at, NOON).unwrap_or_else(|| panic!("sold nowhere"))
}

#[test]
fn staying_at_home_warm_is_the_run_and_one_local_round_trip() {
    let catalogue = test_catalogue();
    let here = estimated(&catalogue, &profile(&catalogue), metered(&catalogue));
    assert!((here.latency_ms - 201.0).abs() < 1e-6, "{}", here.latency_ms);
    assert!((here.p95_latency_ms - (1.0 + 200.0 * TYPICAL_P95_OVER_MEAN)).abs() < 1e-6);
    // 256 MB for 0.2 s and a request; nothing leaves the region.
    assert!((here.cost.get() - (0.25 * 0.2 * 1.6e-5 + 2e-7)).abs() < 1e-15);
    assert!(here.feasible && here.cold_start_probability < 1e-9);
}

#[test]
fn a_rare_function_pays_for_cold_starts_in_mean_and_more_in_the_tail() {
    let catalogue = test_catalogue();
    let usual = profile(&catalogue);
    let rare = InvocationProfile { cold: called(&catalogue, 0.001), ..usual.clone() };
    let at = metered(&catalogue);
    let (warm, cold) = (estimated(&catalogue, &usual, at), estimated(&catalogue, &rare, at));
    assert!(cold.cold_start_probability > 0.95);
    assert!(cold.latency_ms > warm.latency_ms + 2500.0);
    assert!(cold.p95_latency_ms > 7000.0);
}

#[test]
fn a_cold_start_loads_code_at_the_speed_of_the_placement_and_bills_it() {
    let catalogue = test_catalogue();
    let usual = profile(&catalogue);
    let never = InvocationProfile { cold: called(&catalogue, 0.0), ..usual.clone() };
    let extra = |memory_mb| {
        let at = place(&catalogue, CLOUD, 0, memory_mb);
        let (cold, warm) = (estimated(&catalogue, &never, at), estimated(&catalogue, &usual, at));
        (cold.latency_ms - warm.latency_ms, (cold.cost - warm.cost).get())
    };
    // 265 ms for an instance, and 103 ms of loading, 7 times as long at 256 MB.
    let (small_ms, small_usd) = extra(256);
    assert!((small_ms - (265.0 + 103.0 * 7.0)).abs() < 1e-3, "{small_ms}");
    assert!((extra(2048).0 - 368.0).abs() < 1e-3);
    assert!((small_usd / (0.25 * 0.721 * 1.66667e-5) - 1.0).abs() < 5e-3, "{small_usd}");
}

#[test]
fn too_little_memory_or_too_long_a_run_is_infeasible() {
    let catalogue = test_catalogue();
    let usual = profile(&catalogue);
    let small = estimated(&catalogue, &usual, place(&catalogue, CLOUD, 0, 128));
    assert!(!small.feasible);
    let long = InvocationProfile { duration_ms: 800_000.0, ..usual };
    let at = |platform, region, memory| place(&catalogue, platform, region, memory);
    assert!(!estimated(&catalogue, &long, at(CLOUD, 0, 512)).feasible);
    assert!(estimated(&catalogue, &long, at(METERED, 2, 512)).feasible);
}

#[test]
fn a_platform_sells_only_where_it_has_an_offer() {
    let catalogue = test_catalogue();
    let elsewhere = place(&catalogue, METERED, 0, 512);
    assert_eq!(estimate(&catalogue, &profile(&catalogue), elsewhere, NOON), None);
}

#[test]
fn a_promise_at_the_median_is_broken_half_the_time_and_by_cold_starts() {
    let catalogue = test_catalogue();
    let usual = profile(&catalogue);
    let here = |profile: &InvocationProfile| {
        estimated(&catalogue, profile, metered(&catalogue)).late_share
    };
    let spread = InvocationProfile { duration_std_ms: Some(200.0), ..usual.clone() };
    let median_ms = 200.0 / 2f64.sqrt();
    let at_median = InvocationProfile { sla_ms: 1.0 + median_ms, ..spread };
    assert!((here(&at_median) - 0.5).abs() < 1e-6);
    assert!(here(&usual) < 1e-6);
    // Half of the platform's starts take longer than 1436 ms.
    let never = InvocationProfile { cold: called(&catalogue, 0.0), ..usual };
    assert!((0.6..=1.0).contains(&here(&never)), "{}", here(&never));
}

#[test]
fn a_move_costs_one_cold_start() {
    let catalogue = test_catalogue();
    let usual = profile(&catalogue);
    let moved = InvocationProfile { calls_after_move: 4.0, ..usual.clone() };
    let there = estimated(&catalogue, &moved, place(&catalogue, METERED, 2, 1024));
    assert!((there.cold_start_probability - 0.25).abs() < 1e-6);
    let here = metered(&catalogue);
    assert_eq!(estimated(&catalogue, &moved, here), estimated(&catalogue, &usual, here));
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
        index in 0..12usize,
        numbers in prop::array::uniform7(any_number()),
        hour in 0..24i64,
        memory_mb in prop_oneof![Just(0u32), 1..20_000u32, Just(u32::MAX)],
    ) {
        let catalogue = test_catalogue();
        let profile = InvocationProfile {
            duration_ms: numbers[0],
            duration_p95_ms: Some(numbers[1]),
            cpu_share: numbers[2],
            memory_used_mb: numbers[3],
            cold: vec![Chance { first: numbers[4], share: numbers[5] }; 2],
            response_bytes: numbers[6],
            reference: Placement { memory_mb, ..metered(&catalogue) }.into(),
            ..profile(&catalogue)
        };
        let at = UtcTime::from_unix_seconds(hour * 3600);
        let placement = catalogue.candidate(CandidateId::new(index));
        let estimate = super::estimate(&catalogue, &profile, placement, at);
        let estimate = estimate.ok_or_else(|| TestCaseError::fail("sold nowhere"))?;
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
        index in 0..12usize, a in 0.0..1e6f64, b in 0.0..1e6f64,
    ) {
        let catalogue = test_catalogue();
        let placement = catalogue.candidate(CandidateId::new(index));
        let of = |duration_ms| {
            let profile = InvocationProfile { duration_ms, ..profile(&catalogue) };
            estimated(&catalogue, &profile, placement)
        };
        let (short, long) = (of(a.min(b)), of(a.max(b)));
        prop_assert!(short.cost <= long.cost);
        prop_assert!(short.latency_ms <= long.latency_ms);
        prop_assert!(short.carbon <= long.carbon);
    }
}
