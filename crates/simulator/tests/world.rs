//! Properties of the world as a whole, on a part of the bundled trace.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use proptest::prelude::*;
use strata_catalogue::{RESEARCH, built_in};
use strata_domain::{Catalogue, Objective, Placement};
use strata_simulator::{
    BestFixed, Environment, Greedy, OneStepModel, Oracle, Outcome, PlacementPolicy,
    RandomPlacement, Replay, ReplayOptions, Report, RoundRobin, Scope, Scorer, Split, StayPut,
    Trace, WindowOptions, World, WorldOptions, evaluate, last_value, moving_average,
};

/// Every ninth function of the bundled day.
fn small_trace() -> Trace {
    Trace::bundled().unwrap().with_only((0..1104).step_by(9))
}

static CATALOGUE: LazyLock<Arc<Catalogue>> =
    LazyLock::new(|| Arc::new(built_in(RESEARCH).catalogue));

fn world_of(trace: Trace, options: WorldOptions) -> World {
    World::new(trace, options, Arc::clone(&CATALOGUE))
}

static WORLD: LazyLock<World> = LazyLock::new(|| world_of(small_trace(), WorldOptions::default()));

fn all_placements() -> impl Iterator<Item = Placement> {
    CATALOGUE.candidates().iter().copied()
}

fn walk(world: &World, function: usize, placements: &[Placement]) -> Vec<Outcome> {
    let mut environment = Environment::new(world, Split::Train, Objective::tactical());
    environment.reset(function);
    placements.iter().map_while(|placement| environment.step(*placement)).collect()
}

#[test]
fn the_same_seed_gives_the_same_bits_in_any_order() {
    let (forwards, backwards) = (
        world_of(small_trace(), WorldOptions::default()),
        world_of(small_trace(), WorldOptions::default()),
    );
    let placements = CATALOGUE.candidates();
    let all = |world: &World, order: &[usize]| {
        let mut outcomes: Vec<_> = order.iter().map(|&f| (f, walk(world, f, placements))).collect();
        outcomes.sort_by_key(|(function, _)| *function);
        outcomes
    };
    let up: Vec<usize> = (0..forwards.functions()).collect();
    let down: Vec<usize> = up.iter().rev().copied().collect();
    let debug = |outcomes: &[(usize, Vec<Outcome>)]| format!("{outcomes:?}");
    assert_eq!(debug(&all(&forwards, &up)), debug(&all(&backwards, &down)));
    let other = world_of(small_trace(), WorldOptions { seed: 2, ..WorldOptions::default() });
    assert_ne!(debug(&all(&forwards, &up)), debug(&all(&other, &up)));
}

#[test]
fn variations_change_where_functions_live_and_not_their_calls() {
    let other = world_of(small_trace(), WorldOptions { variation: 1, ..WORLD.options() });
    assert_eq!(other.trace(), WORLD.trace());
    let differs = |function: &usize| WORLD.attributes(*function) != other.attributes(*function);
    let differing = (0..WORLD.functions()).filter(differs).count();
    assert!(differing * 20 > WORLD.functions() * 19, "{differing}");
    let again = world_of(small_trace(), WORLD.options());
    assert!((0..again.functions()).all(|f| WORLD.attributes(f) == again.attributes(f)));
    assert_eq!(WORLD.attributes(WORLD.functions()), None);
}

const TEST: Scope = Scope { cohort: None, split: Some(Split::Test) };

fn judged(policy: &mut dyn PlacementPolicy) -> Report {
    evaluate(&WORLD, policy, TEST, Objective::tactical()).summary()
}

#[test]
fn nothing_beats_the_oracle_and_sense_beats_chance() {
    let objective = Objective::tactical();
    let mean = |policy: &mut dyn PlacementPolicy| judged(policy).mean_reward;
    let oracle = mean(&mut Oracle::of(&WORLD, TEST, objective));
    let others: [Box<dyn PlacementPolicy>; 8] = [
        Box::new(StayPut),
        Box::new(RandomPlacement::new(1)),
        Box::new(RoundRobin::default()),
        Box::new(Greedy::cost()),
        Box::new(Greedy::latency()),
        Box::new(Greedy::carbon()),
        Box::new(BestFixed::of(&WORLD, TEST, objective)),
        Box::new(OneStepModel),
    ];
    for mut policy in others {
        let name = policy.name().to_owned();
        let mean = mean(policy.as_mut());
        assert!(oracle > mean + 0.01, "oracle {oracle}, {name} {mean}");
    }
    let (model, fixed) =
        (mean(&mut OneStepModel), mean(&mut BestFixed::of(&WORLD, TEST, objective)));
    let chance = mean(&mut RandomPlacement::new(1));
    assert!(model > fixed + 0.05 && fixed > chance + 0.1, "{model} {fixed} {chance}");
}

#[test]
fn the_oracle_finds_the_best_of_all_sequences() {
    let objective = Objective::tactical();
    // Functions with two decisions: 64 x 64 sequences each.
    let options = WorldOptions { interval_minutes: 120, ..WORLD.options() };
    let world = world_of(WORLD.trace().with_only(0..40), options);
    let longest = |environment: &Environment<'_>| {
        let last = all_placements().filter_map(|placement| environment.clone().step(placement));
        last.map(|outcome| outcome.reward).fold(f64::NEG_INFINITY, f64::max)
    };
    let mut seen = 0;
    for function in world.deciding(TEST) {
        let mut environment = Environment::new(&world, TEST, objective);
        assert!(environment.reset(function));
        if environment.remaining() != 2 {
            continue;
        }
        seen += 1;
        let best = all_placements().filter_map(|placement| {
            let mut next = environment.clone();
            Some(next.step(placement)?.reward + longest(&next))
        });
        let best = best.fold(f64::NEG_INFINITY, f64::max);
        let mut oracle = Oracle::of(&world, TEST, objective);
        let planned = evaluate(&world, &mut oracle, TEST, objective).decided;
        let own = planned.iter().filter(|decided| decided.function == function);
        let planned: f64 = own.map(|decided| decided.outcome.reward).sum();
        assert!((planned - best).abs() < 1e-12, "{function}: {planned} {best}");
    }
    assert!(seen > 0);
}

#[test]
fn no_provider_region_or_memory_is_best_for_nearly_everything() {
    let mut oracle = Oracle::of(&WORLD, TEST, Objective::tactical());
    let planned = evaluate(&WORLD, &mut oracle, TEST, Objective::tactical()).decided;
    let best: Vec<Placement> = planned.iter().map(|decided| decided.outcome.placement).collect();
    let share = |wins: &dyn Fn(&Placement) -> bool| {
        best.iter().filter(|placement| wins(placement)).count() as f64 / best.len() as f64
    };
    for placement in all_placements() {
        let share = share(&|best| *best == placement);
        assert!(share < 0.6, "{} {share}", CATALOGUE.describe(placement));
    }
    for (id, platform) in CATALOGUE.platforms() {
        let share = share(&|best| best.platform == id);
        assert!(share > 0.0 && share < 0.9, "{} {share}", platform.name);
    }
    for (id, area) in CATALOGUE.areas() {
        let share = share(&|best| CATALOGUE.area_of(best.region) == Some(id));
        assert!(share > 0.0 && share < 0.9, "{} {share}", area.name);
    }
    let sizes: BTreeSet<u32> = all_placements().map(|placement| placement.memory_mb).collect();
    let used = sizes.iter().filter(|size| share(&|best| best.memory_mb == **size) > 0.02);
    assert!(used.count() >= 4);
}

#[test]
fn each_greedy_is_best_at_its_own_goal() {
    let [cost, latency, carbon] =
        [Greedy::cost(), Greedy::latency(), Greedy::carbon()].map(|mut greedy| judged(&mut greedy));
    assert!(cost.parts.cost > latency.parts.cost && cost.parts.cost > carbon.parts.cost);
    assert!(latency.parts.performance > cost.parts.performance.max(carbon.parts.performance));
    assert!(carbon.parts.carbon > cost.parts.carbon.max(latency.parts.carbon));
    assert!(cost.mean_cost_usd < judged(&mut StayPut).mean_cost_usd);
}

#[test]
fn a_move_starts_cold_and_is_paid_once() {
    let function = WORLD.deciding(Split::Train)[0];
    let mut environment = Environment::new(&WORLD, Split::Train, Objective::tactical());
    assert!(environment.reset(function));
    let here = environment.current();
    let away = all_placements()
        .find(|p| p.platform != here.platform && environment.is_feasible(*p))
        .unwrap();
    let moved = environment.peek(away).unwrap();
    assert!(moved.moved && moved.cold_start_rate * f64::from(moved.calls) >= 1.0 - 1e-9);
    let settled = {
        let mut there = Environment::new(&WORLD, Split::Train, Objective::tactical());
        there.reset_at(function, away);
        there.peek(away).unwrap()
    };
    assert!(!settled.moved && settled.cold_start_rate <= moved.cold_start_rate);
    assert!(settled.latency_ms <= moved.latency_ms);
    assert_eq!(environment.step(away), Some(moved));
    assert!(!environment.peek(away).unwrap().moved);
}

#[test]
fn an_impossible_move_is_refused_and_punished() {
    let objective = Objective::strategic();
    let mut environment = Environment::new(&WORLD, Split::Train, objective);
    assert!(environment.reset(WORLD.deciding(Split::Train)[0]));
    let here = environment.current();
    let azure = CATALOGUE.find_platform("azure-functions-consumption").unwrap();
    let first = CATALOGUE.candidates()[CATALOGUE.candidates_of(azure)][0];
    let not_sold = Placement { memory_mb: 3008, ..first };
    let outcome = environment.step(not_sold).unwrap();
    assert!(outcome.refused && !outcome.moved);
    assert_eq!((outcome.reward, outcome.placement), (-5.0, here));
    assert_eq!(environment.current(), here);
}

#[test]
fn facts_are_in_physical_units_and_never_look_ahead() {
    let mut environment = Environment::new(&WORLD, Split::Test, Objective::tactical());
    for function in WORLD.deciding(Split::Test) {
        assert!(environment.reset(function));
        let mut before = None;
        while let Some(point) = environment.observe() {
            let facts = &point.facts;
            assert!(before < Some(facts.at));
            before = Some(facts.at);
            let minute = (facts.at.unix_seconds() - WORLD.trace().start().unix_seconds()) / 60;
            let past = &WORLD.trace().functions()[function].per_minute[..minute as usize];
            let last_hour: u32 = past[past.len() - 60..].iter().sum();
            assert_eq!(facts.invocation_rate_per_minute, f64::from(last_hour) / 60.0);
            assert!(facts.avg_duration.get() > 0.0 && facts.std_duration.get() >= 0.0);
            assert!(facts.avg_cost.get() > 0.0 && facts.avg_cost.get() < 1.0);
            assert!(facts.avg_carbon.get() > 0.0 && facts.inter_arrival.get() >= 0.0);
            assert!((0.0..=1.0).contains(&facts.cold_start_rate));
            environment.step(environment.current());
        }
        assert_eq!(environment.remaining(), 0);
    }
}

#[test]
fn windows_stay_within_their_function_and_part() {
    for split in Split::ALL {
        let minutes = split.minutes(WORLD.trace().minutes());
        let steps = minutes.start * 4..minutes.end * 4;
        let mut seen = 0;
        for function in 0..WORLD.functions() {
            let series = WORLD.telemetry(function).unwrap().series(steps.clone());
            let options = WindowOptions { stride: 5, offset: 2, skip_idle: true };
            for window in WORLD.windows_of(function, split, options) {
                seen += 1;
                assert_eq!(window.function, function);
                assert!(window.target_step >= steps.start + 12 && window.target_step < steps.end);
                let target = window.target_step - steps.start;
                assert_eq!(target % 5, (12 + 2) % 5);
                assert_eq!(window.y[0], series[target].request_rate as f32);
                for (row, step) in window.x.iter().zip(&series[target - 12..target]) {
                    assert_eq!(*row, strata_simulator::features(step));
                }
                let calls: f32 = window.x.iter().map(|row| row[0]).sum::<f32>() + window.y[0];
                assert!(calls > 0.0);
            }
        }
        assert!(seen > 500, "{seen}");
    }
}

#[test]
fn simple_forecasts_can_be_scored_and_differ() {
    let (mut last, mut mean) = (Scorer::new(), Scorer::new());
    let options = WindowOptions { stride: 7, ..WindowOptions::default() };
    for window in WORLD.windows(Split::Validation, options) {
        last.add(&window, last_value(&window));
        mean.add(&window, moving_average(&window));
    }
    let (last, mean) = (last.score().unwrap(), mean.score().unwrap());
    assert_eq!(last.windows, mean.windows);
    assert!(last.r2[0] < 1.0 && mean.r2[0] < 1.0 && last.r2[0] != mean.r2[0]);
}

#[test]
fn a_replay_asks_in_the_order_of_time_with_the_telemetry_of_that_time() {
    let options = ReplayOptions { split: Split::Test, limit: 200, every: 2 };
    let requests: Vec<_> = Replay::new(&WORLD, options).collect();
    assert_eq!(requests.len(), 200);
    assert!(requests.windows(2).all(|pair| pair[0].point.facts.at <= pair[1].point.facts.at));
    for request in &requests {
        let facts = &request.point.facts;
        assert_eq!(request.window[11].hour_sin, facts.at.hour_sin());
        assert_eq!(request.point.location.current, Some(request.point.current.into()));
        let traced = &WORLD.trace().functions()[request.point.function];
        assert_eq!(request.function, traced.id);
        let minute = (facts.at.unix_seconds() - WORLD.trace().start().unix_seconds()) as usize / 60;
        let calls: f64 = request.window.iter().map(|step| step.request_rate * 15.0).sum();
        let recorded: u32 = traced.per_minute[minute - 3..minute].iter().sum();
        assert!((calls - f64::from(recorded)).abs() < 1e-9);
    }
    let again: Vec<_> = Replay::new(&WORLD, options).collect();
    assert_eq!(requests, again);
}

#[test]
fn other_cadences_and_the_other_trace_work_too() {
    let trace = Trace::bundled_eight_hours().unwrap().with_only((0..409).step_by(11));
    let world = world_of(trace, WorldOptions { interval_minutes: 60, ..WorldOptions::default() });
    let report = evaluate(&world, &mut StayPut, Split::Train, Objective::strategic()).summary();
    assert!(report.decisions > 20 && report.mean_reward.is_finite());
    let again = evaluate(&world, &mut StayPut, Split::Train, Objective::strategic()).summary();
    assert!(again == report);
    let empty = world_of(Trace::bundled().unwrap().with_only([]), WorldOptions::default());
    assert_eq!(evaluate(&empty, &mut StayPut, Split::Test, Objective::tactical()).decided, []);
    assert!(
        empty.telemetry(0).is_none()
            && empty.windows(Split::Test, WindowOptions::default()).next().is_none()
    );
}

proptest! {
    #[test]
    fn rewards_and_parts_stay_in_their_bounds(
        pick in 0usize..1000,
        start in prop::sample::select(CATALOGUE.candidates()),
        choices in prop::collection::vec(prop::sample::select(CATALOGUE.candidates()), 1..20),
    ) {
        let functions = WORLD.deciding(Split::Train);
        let function = functions[pick % functions.len()];
        let mut environment = Environment::new(&WORLD, Split::Train, Objective::strategic());
        environment.reset_at(function, start);
        for placement in choices {
            let Some(outcome) = environment.step(placement) else { break };
            prop_assert!((-5.0..=1.0).contains(&outcome.reward));
            for part in [outcome.parts.cost, outcome.parts.performance, outcome.parts.carbon] {
                prop_assert!((0.0..=1.0).contains(&part));
            }
            prop_assert!((0.0..=1.0).contains(&outcome.cold_start_rate));
            prop_assert!((0.0..=1.0).contains(&outcome.sla_violation_rate));
            prop_assert!(outcome.cost.get() > 0.0 && outcome.latency_ms > 0.0);
            prop_assert_eq!(outcome.refused, !environment.is_feasible(placement));
        }
    }
}
