//! How many calls the simulator works out in a second, on one core. The target is 500,000.
//!
//! `cargo bench -p strata-simulator --bench invocations`

#![allow(clippy::print_stdout)]

use std::{hint::black_box, sync::Arc, time::Instant};

use strata_catalogue::{BUILT_IN, RESEARCH, built_in};
use strata_domain::{Catalogue, InvocationProfile, Objective, UtcTime};
use strata_simulator::{
    Invocation, Invoked, PlacedFunction, Scope, StayPut, Trace, TraceError, World, WorldOptions,
    evaluate,
};

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 7;
const CALLS: u64 = 2_000_000;
const PER_SECOND_WANTED: f64 = 500_000.0;

fn main() -> Result<(), TraceError> {
    let trace = Trace::bundled()?;
    let catalogue = Arc::new(built_in(RESEARCH).catalogue);
    let world = World::new(trace.clone(), WorldOptions::default(), Arc::clone(&catalogue));
    let profiles: Vec<InvocationProfile> =
        (0..world.functions()).filter_map(|function| world.profile(function)).collect();
    println!("{:<62} {:>12}  target", "one core", "calls/s");
    report("every call of the bundled day: arrival, run time, cold start", || whole_day(&world));
    report("single calls, each on a placement of its own", || any_placement(&catalogue, &profiles));
    report("single calls on one placement", || one_placement(&catalogue, &profiles));
    for name in BUILT_IN {
        let catalogue = Arc::new(built_in(name).catalogue);
        let what = format!("the bundled day in intervals, {name}, world included");
        report(&what, || intervals(&trace, &catalogue));
    }
    Ok(())
}

/// Prints the median rate of what works out calls and says how many.
fn report(what: &str, work: impl Fn() -> u64) {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let calls = black_box(work());
            calls as f64 / begin.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    let rate = rates[ROUNDS / 2];
    let met = if rate >= PER_SECOND_WANTED { "met" } else { "missed" };
    println!("{what:<62} {rate:>12.0}  {met}");
}

/// One after the other, where functions run at first; calls of a minute come at even distances.
fn whole_day(world: &World) -> u64 {
    let trace = world.trace();
    let mut number = 0;
    for (function, traced) in trace.functions().iter().enumerate() {
        let Some(placed) = initial(world, function) else { continue };
        let mut last = f64::NEG_INFINITY;
        for (minute, &count) in traced.per_minute.iter().enumerate() {
            for call in 0..count {
                let now = minute as f64 + f64::from(call) / f64::from(count);
                let invocation = Invocation {
                    run_ms: traced.duration_ms.quantile(level(number)),
                    idle_minutes: now - last,
                    moved: false,
                    at: trace.time_of(minute),
                };
                black_box(placed.drawn(&invocation, function as u64, number));
                last = now;
                number += 1;
            }
        }
    }
    number
}

/// A function where the trace begins with it.
fn initial(world: &World, function: usize) -> Option<PlacedFunction<'_>> {
    let placement = world.attributes(function)?.placement;
    PlacedFunction::new(world.catalogue(), &world.profile(function)?, placement)
}

fn any_placement(catalogue: &Catalogue, profiles: &[InvocationProfile]) -> u64 {
    let candidates = catalogue.candidates();
    for number in 0..CALLS {
        let profile = &profiles[number as usize % profiles.len()];
        let placement = candidates[number as usize % candidates.len()];
        let placed = PlacedFunction::new(catalogue, black_box(profile), placement);
        black_box(placed.map(|placed| drawn(&placed, number)));
    }
    CALLS
}

fn one_placement(catalogue: &Catalogue, profiles: &[InvocationProfile]) -> u64 {
    let placed = PlacedFunction::new(catalogue, &profiles[0], catalogue.candidates()[0]);
    let Some(placed) = placed else { return 0 };
    for number in 0..CALLS {
        black_box(drawn(black_box(&placed), number));
    }
    CALLS
}

/// A call of up to a second, up to an hour after the one before it.
fn drawn(placed: &PlacedFunction<'_>, number: u64) -> Invoked {
    let call = Invocation {
        run_ms: 1000.0 * level(number),
        idle_minutes: (number % 60) as f64,
        moved: number.is_multiple_of(97),
        at: UtcTime::from_unix_seconds(1_612_051_200 + number as i64),
    };
    placed.drawn(&call, 1, number)
}

/// Levels that cover 0 to 1 evenly (the fractions of multiples of the golden ratio).
fn level(number: u64) -> f64 {
    (number as f64 * 0.618_033_988_749_895).fract()
}

/// A policy's day: a world made, every interval judged against every placement.
fn intervals(trace: &Trace, catalogue: &Arc<Catalogue>) -> u64 {
    let world = World::new(trace.clone(), WorldOptions::default(), Arc::clone(catalogue));
    let scope = Scope::everything();
    let evaluation = evaluate(&world, &mut StayPut, scope, Objective::tactical());
    evaluation.decided.iter().map(|decided| u64::from(decided.outcome.calls)).sum()
}
