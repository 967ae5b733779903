//! What holds for every call of every function on every placement.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use strata_catalogue::{RESEARCH, built_in};
use strata_domain::{
    Catalogue, Home, InvocationProfile, Objective, Origin, Placement, UtcTime, cold_start,
};
use strata_simulator::{
    Environment, Invocation, Invoked, Outcome, PlacedFunction, Scope, Trace, World, WorldOptions,
};

static CATALOGUE: LazyLock<Arc<Catalogue>> =
    LazyLock::new(|| Arc::new(built_in(RESEARCH).catalogue));

fn placed(profile: &InvocationProfile, placement: Placement) -> PlacedFunction<'static> {
    PlacedFunction::new(&CATALOGUE, profile, placement).unwrap()
}

fn selected<T: Clone + std::fmt::Debug + 'static>(
    all: impl Iterator<Item = T>,
) -> impl Strategy<Value = T> {
    prop::sample::select(all.collect::<Vec<T>>())
}

fn profiles() -> impl Strategy<Value = InvocationProfile> {
    let areas = selected(CATALOGUE.areas().map(|(id, _)| Origin::Area(id)));
    let regions = selected(CATALOGUE.regions().map(|(id, _)| id));
    let home =
        (areas, prop::option::of(regions)).prop_map(|(callers, data)| Home { callers, data });
    (placements(), home, 0.0..=1.0f64, 0.0..4000.0f64, prop::array::uniform2(0.0..1e7f64)).prop_map(
        |(reference, home, cpu_share, memory_used_mb, [request_bytes, response_bytes])| {
            InvocationProfile {
                duration_ms: 0.0,
                duration_p95_ms: None,
                duration_std_ms: None,
                reference: Placement::into(reference),
                cpu_share,
                memory_used_mb,
                cold: Vec::new(),
                request_bytes,
                response_bytes,
                home,
                sla_ms: 1000.0,
                calls_after_move: f64::INFINITY,
            }
        },
    )
}

fn placements() -> impl Strategy<Value = Placement> {
    selected(CATALOGUE.candidates().iter().copied())
}

/// Up to a day of running and of idling.
fn calls() -> impl Strategy<Value = Invocation> {
    let idle_minutes =
        prop_oneof![8 => 0.0..40.0f64, 1 => 0.0..1440.0f64, 1 => Just(f64::INFINITY)];
    (0.0..8.64e7f64, idle_minutes, any::<bool>(), -2_000_000_000..4_000_000_000i64).prop_map(
        |(run_ms, idle_minutes, moved, at)| Invocation {
            run_ms,
            idle_minutes,
            moved,
            at: UtcTime::from_unix_seconds(at),
        },
    )
}

/// Numbers that are none, too.
fn any_calls() -> impl Strategy<Value = Invocation> {
    (calls(), any::<f64>(), any::<f64>()).prop_map(|(call, run_ms, idle_minutes)| Invocation {
        // Longer runs than a trace may hold have prices beyond what a number holds.
        run_ms: if run_ms.is_finite() { run_ms % 1e12 } else { run_ms },
        idle_minutes,
        ..call
    })
}

fn is_sound(invoked: &Invoked) -> bool {
    let Invoked { cost, latency_ms, carbon, cold } = *invoked;
    let sound = |value: f64| value.is_finite() && value >= 0.0;
    sound(cost.get()) && sound(latency_ms) && sound(carbon.get()) && (0.0..=1.0).contains(&cold)
}

/// Its numbers, bit by bit.
fn bits(invoked: &Invoked) -> [u64; 4] {
    let Invoked { cost, latency_ms, carbon, cold } = *invoked;
    [cost.get(), latency_ms, carbon.get(), cold].map(f64::to_bits)
}

proptest! {
    #[test]
    fn more_memory_never_raises_compute_time(
        profile in profiles(), placement in placements(), call in calls(), seed: u64,
    ) {
        for sizes in CATALOGUE.platform(placement.platform).sizes.windows(2) {
            let [small, large] = [sizes[0], sizes[1]].map(|size| {
                placed(&profile, Placement { memory_mb: size.memory_mb, ..placement })
            });
            prop_assert!(large.run_ms(call.run_ms) <= small.run_ms(call.run_ms));
            // The same network and the same luck: what is left is the run, and the loading of a
            // cold start.
            let least = |placed: &PlacedFunction<'_>| placed.drawn(&call, seed, 0).latency_ms;
            prop_assert!(least(&large) <= least(&small));
            prop_assert!(large.expected(&call).latency_ms <= small.expected(&call).latency_ms);
        }
    }

    #[test]
    fn equal_inputs_give_equal_bits(
        profile in profiles(),
        placement in placements(),
        call in any_calls(),
        seed: u64,
        number: u64,
    ) {
        let once = placed(&profile, placement);
        // Calls in between must not matter.
        let _ = once.drawn(&call, seed, number.wrapping_add(1));
        let again = placed(&profile, placement);
        let drawn = |placed: &PlacedFunction<'_>| bits(&placed.drawn(&call, seed, number));
        prop_assert_eq!(drawn(&once), drawn(&again));
        prop_assert_eq!(bits(&once.expected(&call)), bits(&again.expected(&call)));
    }

    #[test]
    fn nothing_is_negative_or_endless(
        profile in profiles(), placement in placements(), call in any_calls(), seed: u64,
    ) {
        let placed = placed(&profile, placement);
        for invoked in [placed.expected(&call), placed.drawn(&call, seed, 0)] {
            prop_assert!(is_sound(&invoked), "{invoked:?}");
        }
    }

    #[test]
    fn moving_a_warm_function_takes_a_cold_start_and_not_less_money(
        profile in profiles(), placement in placements(), call in calls(), seed: u64,
    ) {
        let placed = placed(&profile, placement);
        let warm = Invocation { idle_minutes: 0.0, moved: false, ..call };
        let moved = Invocation { moved: true, ..warm };
        let platform = CATALOGUE.platform(placement.platform);
        let load_ms = cold_start::load_ms(platform.speed(&platform.size(placement.memory_mb)));
        let start_ms = platform.cold_starts.start.mean_ms;
        let (stays, moves) = (placed.expected(&warm), placed.expected(&moved));
        let rounding = 1e-9 * moves.latency_ms;
        prop_assert_eq!((stays.cold, moves.cold), (0.0, 1.0));
        let longer_ms = moves.latency_ms - stays.latency_ms;
        prop_assert!(longer_ms >= start_ms + load_ms - rounding);
        prop_assert!(moves.cost >= stays.cost && moves.carbon >= stays.carbon);
        // Each single draw as well: it loads, and waits for an instance.
        let (stays, moves) = (placed.drawn(&warm, seed, 0), placed.drawn(&moved, seed, 0));
        prop_assert_eq!((stays.cold, moves.cold), (0.0, 1.0));
        let longer_ms = moves.latency_ms - stays.latency_ms;
        prop_assert!(longer_ms >= load_ms - rounding);
        prop_assert!(moves.cost >= stays.cost && moves.carbon >= stays.carbon);
    }

    #[test]
    fn longer_idling_never_warms(
        profile in profiles(), placement in placements(), call in calls(), more in 0.0..100.0f64,
    ) {
        let placed = placed(&profile, placement);
        let later = Invocation { idle_minutes: call.idle_minutes + more, ..call };
        let (sooner, later) = (placed.expected(&call), placed.expected(&later));
        prop_assert!(sooner.cold <= later.cold);
        prop_assert!(sooner.cost.get() <= later.cost.get() * (1.0 + 1e-12));
        prop_assert!(sooner.latency_ms <= later.latency_ms * (1.0 + 1e-12));
    }
}

#[test]
fn many_draws_have_the_expected_mean() {
    let world = &*WORLD;
    let profile = world.profile(0).unwrap();
    for (id, platform) in CATALOGUE.platforms() {
        let mut candidates = CATALOGUE.candidates()[CATALOGUE.candidates_of(id)].iter();
        let placement = *candidates.find(|here| here.memory_mb == 1024).unwrap();
        let name = &platform.name;
        let placed = placed(&profile, placement);
        // Azure is half cold after 22 minutes, AWS to 0.406 after 6.
        let idle_minutes = if name == "aws-lambda" { 6.5 } else { 22.0 };
        let at = world.trace().start();
        let call = Invocation { run_ms: 300.0, idle_minutes, moved: false, at };
        let drawn: Vec<Invoked> =
            (0..40_000).map(|number| placed.drawn(&call, 5, number)).collect();
        let mean = |of: fn(&Invoked) -> f64| drawn.iter().map(of).sum::<f64>() / drawn.len() as f64;
        let expected = placed.expected(&call);
        assert!((mean(|i| i.cold) - expected.cold).abs() < 0.01, "{name}");
        for of in [|i: &Invoked| i.cost.get(), |i: &Invoked| i.carbon.get()] {
            assert!((mean(of) / of(&expected) - 1.0).abs() < 0.01, "{name}");
        }
        // The log-normal distribution of start delays has a mean of its own.
        let latency = mean(|i| i.latency_ms) / expected.latency_ms;
        assert!((0.85..1.01).contains(&latency), "{name} {latency}");
        let other = placed.drawn(&Invocation { moved: true, ..call }, 6, 0);
        assert_ne!(other, placed.drawn(&Invocation { moved: true, ..call }, 5, 0));
    }
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let trace = Trace::bundled().unwrap().with_only((0..1104).step_by(40));
    World::new(trace, WorldOptions::default(), Arc::clone(&CATALOGUE))
});

fn steps(function: usize, placements: &[Placement]) -> Vec<Outcome> {
    let mut environment = Environment::new(&WORLD, Scope::everything(), Objective::tactical());
    environment.reset(function % WORLD.functions());
    placements.iter().map_while(|placement| environment.step(*placement)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_world_says_is_sound_whatever_is_chosen(
        function in 0..28usize, chosen in prop::collection::vec(placements(), 1..40),
    ) {
        let outcomes = steps(function, &chosen);
        prop_assert_eq!(format!("{outcomes:?}"), format!("{:?}", steps(function, &chosen)));
        for outcome in outcomes {
            let Outcome { cost, latency_ms, carbon, cold_start_rate, .. } = outcome;
            let invoked = Invoked { cost, latency_ms, carbon, cold: cold_start_rate };
            prop_assert!(is_sound(&invoked), "{outcome:?}");
            let first_is_cold = outcome.cold_start_rate * f64::from(outcome.calls) >= 1.0 - 1e-9;
            prop_assert!(!outcome.moved || first_is_cold, "{outcome:?}");
        }
    }
}
