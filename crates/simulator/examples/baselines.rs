//! What placement policies without learning achieve on held-out functions and hours of the bundled trace.
//!
//! `cargo run --release -p strata-simulator --example baselines`

#![allow(clippy::print_stdout)]

use strata_domain::Objective;
use strata_simulator::{Scope, Trace, TraceError, World, WorldOptions, baselines, evaluate};

fn main() -> Result<(), TraceError> {
    let world = World::new(Trace::bundled()?, WorldOptions::default());
    for (scope, name) in [(Scope::held_out(), "held out"), (Scope::everything(), "everything")] {
        for (objective, layer) in
            [(Objective::strategic(), "strategic"), (Objective::tactical(), "tactical")]
        {
            println!("\n{name}, {layer} objective");
            table(&world, scope, objective);
        }
    }
    Ok(())
}

fn table(world: &World, scope: Scope, objective: Objective) {
    println!(
        "{:<15} {:>9} {:>6} {:>6} {:>6} {:>7} {:>7} {:>6} {:>6}",
        "policy", "objective", "cost", "perf", "carbon", "late", "avoid", "cold", "moves"
    );
    for mut policy in baselines(world, scope, objective, 1) {
        let r = evaluate(world, policy.as_mut(), scope, objective).summary();
        println!(
            "{:<15} {:>9.4} {:>6.3} {:>6.3} {:>6.3} {:>6.1}% {:>6.2}% {:>5.1}% {:>5.1}%",
            r.policy,
            r.mean_reward,
            r.parts.cost,
            r.parts.performance,
            r.parts.carbon,
            100.0 * r.sla_violation_rate,
            100.0 * r.avoidable_violation_rate,
            100.0 * r.cold_start_rate,
            100.0 * r.move_rate,
        );
    }
}
