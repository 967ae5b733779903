//! Judges the simple policies on the bundled trace: `cargo run --release -p strata-simulator --example baselines`.
#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, error::Error, time::Instant};

use strata_domain::{MemoryTier, Objective, Placement, Provider, Region, estimate};
use strata_simulator::{
    BestEstimate, Cheapest, Constant, Environment, Oracle, PlacementPolicy, RandomPlacement,
    Scorer, Split, StayPut, Trace, WindowOptions, World, WorldOptions, evaluate, last_value,
    moving_average,
};

fn main() -> Result<(), Box<dyn Error>> {
    let world = World::new(Trace::bundled()?, WorldOptions::default());
    let objective = Objective::tactical();
    let started = Instant::now();
    let oracle = Oracle::of(&world, Split::Test, objective);
    println!("world and oracle: {:.1} s", started.elapsed().as_secs_f64());
    policies(&world, objective, oracle.clone());
    shares(&world, &oracle);
    forecasts(&world);
    speed(&world, objective);
    Ok(())
}

fn policies(world: &World, objective: Objective, oracle: Oracle) {
    let constant = Constant::best(world, Split::Train, objective);
    println!("best constant on the training part: {}", constant.0);
    let mut policies: [Box<dyn PlacementPolicy>; 6] = [
        Box::new(RandomPlacement::new(1)),
        Box::new(StayPut),
        Box::new(constant),
        Box::new(Cheapest),
        Box::new(BestEstimate(objective)),
        Box::new(oracle),
    ];
    println!(
        "policy          reward  cost  perf  carb   USD/M     p50     p95   mg CO2e  late  cold  moves refused"
    );
    for policy in &mut policies {
        let r = evaluate(world, policy.as_mut(), Split::Test, objective);
        println!(
            "{:<15} {:>6.3}  {:.2}  {:.2}  {:.2}  {:>6.2}  {:>6.0}  {:>6.0}  {:>7.3}  {:.3} {:.3}  {:.3}  {:.3}",
            r.policy,
            r.mean_reward,
            r.parts.cost,
            r.parts.performance,
            r.parts.carbon,
            r.mean_cost_usd * 1e6,
            r.p50_latency_ms,
            r.p95_latency_ms,
            r.mean_carbon_g * 1e3,
            r.sla_violation_rate,
            r.cold_start_rate,
            r.move_rate,
            r.refused_rate,
        );
    }
}

fn shares(world: &World, oracle: &Oracle) {
    let best: Vec<Placement> =
        world.deciding(Split::Test).into_iter().filter_map(|f| oracle.placement(f)).collect();
    let share = |wins: &dyn Fn(&Placement) -> bool| {
        best.iter().filter(|placement| wins(placement)).count() as f64 / best.len() as f64 * 100.0
    };
    println!("where the oracle puts {} functions, in per cent:", best.len());
    for provider in Provider::ALL {
        println!("  {provider:<15} {:>5.1}", share(&|p| p.provider == provider));
    }
    for region in Region::ALL {
        println!("  {region:<15} {:>5.1}", share(&|p| p.region == region));
    }
    for memory in MemoryTier::ALL {
        println!("  {:<15} {:>5.1}", memory.to_string(), share(&|p| p.memory == memory));
    }
    let mut counts = BTreeMap::new();
    for placement in &best {
        *counts.entry(*placement).or_insert(0usize) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("  {} placements are best for some function; most often:", counts.len());
    for (placement, count) in counts.iter().take(12) {
        println!(
            "    {:<32} {:>5.1}",
            placement.to_string(),
            *count as f64 / best.len() as f64 * 100.0
        );
    }
}

fn forecasts(world: &World) {
    let all = WindowOptions { stride: 5, skip_idle: false, ..WindowOptions::default() };
    for (name, options) in [("busy windows", WindowOptions::default()), ("every fifth window", all)]
    {
        let (mut last, mut mean) = (Scorer::new(), Scorer::new());
        for window in world.windows(Split::Test, options) {
            last.add(&window, last_value(&window));
            mean.add(&window, moving_average(&window));
        }
        for (forecast, scorer) in [("last value", last), ("moving average", mean)] {
            if let Some(score) = scorer.score() {
                println!("{name}, {forecast}: {score:.4?}");
            }
        }
    }
}

fn speed(world: &World, objective: Objective) {
    let mut environment = Environment::new(world, Split::Train, objective);
    let functions = world.deciding(Split::Train);
    let (mut steps, mut sum) = (0usize, 0.0);
    let started = Instant::now();
    for round in 0..20 {
        for &function in &functions {
            environment.reset(function);
            while environment.observe().is_some() {
                let placement = Placement::from_index((steps + round) % Placement::COUNT);
                let Some(outcome) = placement.and_then(|p| environment.step(p)) else { break };
                sum += outcome.reward;
                steps += 1;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    if let Some(&function) = functions.first() {
        environment.reset(function);
    }
    if let Some(point) = environment.observe() {
        let started = Instant::now();
        let mut sum = 0.0;
        for index in 0..720_000 {
            if let Some(placement) = Placement::from_index(index % Placement::COUNT) {
                sum += estimate(&point.profile, placement, point.facts.at).latency_ms;
            }
        }
        let nanoseconds = started.elapsed().as_secs_f64() / 720_000.0 * 1e9;
        println!("estimate: {nanoseconds:.0} ns (mean latency {:.0} ms)", sum / 720_000.0);
    }
    println!(
        "{steps} steps of observe and step: {:.0} per second (mean reward {:.3})",
        steps as f64 / seconds,
        sum / steps as f64
    );
}
