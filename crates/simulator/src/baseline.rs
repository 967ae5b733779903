//! Policies a learnt one has to beat, and one it cannot.

use strata_domain::{CandidateRange, Estimate, Objective, Placement, estimate, scaling};

use crate::{
    environment::{DecisionPoint, Environment},
    evaluate::PlacementPolicy,
    seed::{Draws, Purpose, stream},
    split::Split,
    world::World,
};

/// Leaves every function where it is.
#[derive(Debug, Clone, Copy)]
pub struct StayPut;

impl PlacementPolicy for StayPut {
    fn name(&self) -> &str {
        "stay put"
    }

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        point.facts.current.unwrap_or(crate::OBSERVED_ON)
    }
}

/// Puts every function on the same placement.
#[derive(Debug, Clone, Copy)]
pub struct Constant(pub Placement);

impl Constant {
    /// The one placement that earns most on a part of the world.
    pub fn best(world: &World, split: Split, objective: Objective) -> Self {
        let mut rewards = [0.0; Placement::COUNT];
        for function in 0..world.functions() {
            for (total, reward) in
                rewards.iter_mut().zip(fixed_rewards(world, function, split, objective))
            {
                *total += reward;
            }
        }
        Self(best_of(&rewards))
    }
}

impl PlacementPolicy for Constant {
    fn name(&self) -> &str {
        "best constant"
    }

    fn place(&mut self, _: &DecisionPoint) -> Placement {
        self.0
    }
}

/// Draws a placement on which the function can run.
pub struct RandomPlacement(Draws);

impl RandomPlacement {
    /// Draws from the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(stream(seed, 0, Purpose::RandomPolicy, 0))
    }
}

impl PlacementPolicy for RandomPlacement {
    fn name(&self) -> &str {
        "random"
    }

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        let memory = point.facts.memory.get();
        let possible: Vec<Placement> =
            Placement::all().filter(|placement| scaling::fits(*placement, memory)).collect();
        match possible.get(self.0.below(possible.len())) {
            Some(placement) => *placement,
            None => StayPut.place(point),
        }
    }
}

/// Takes the placement with the lowest estimated cost.
#[derive(Debug, Clone, Copy)]
pub struct Cheapest;

impl PlacementPolicy for Cheapest {
    fn name(&self) -> &str {
        "cheapest"
    }

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        best_feasible(point, |estimate| -estimate.cost.get())
    }
}

/// Takes the placement with the best estimated reward, by the formulas of the domain and without learning.
#[derive(Debug, Clone, Copy)]
pub struct BestEstimate(pub Objective);

impl PlacementPolicy for BestEstimate {
    fn name(&self) -> &str {
        "best estimate"
    }

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        let candidates: Vec<Estimate> = Placement::all()
            .map(|placement| estimate(&point.profile, placement, point.facts.at))
            .collect();
        let Some(range) = CandidateRange::over(&candidates) else { return StayPut.place(point) };
        best_feasible(point, |estimate| {
            let parts =
                range.score(estimate.cost.get(), estimate.latency_ms, estimate.carbon.get());
            let is_late = estimate.latency_ms > self.0.sla_ms;
            self.0.reward(parts, f64::from(u8::from(is_late)))
        })
    }
}

fn best_feasible(point: &DecisionPoint, value: impl Fn(&Estimate) -> f64) -> Placement {
    let mut best = None;
    for placement in Placement::all() {
        let estimate = estimate(&point.profile, placement, point.facts.at);
        let value = value(&estimate);
        if estimate.feasible && best.is_none_or(|(_, highest)| value > highest) {
            best = Some((placement, value));
        }
    }
    best.map_or_else(|| StayPut.place(point), |(placement, _)| placement)
}

/// Knows for every function the one placement that earns most over the part it is judged on: an upper bound for policies that do not
/// move functions back and forth.
#[derive(Debug, Clone)]
pub struct Oracle {
    by_function: Vec<Option<Placement>>,
}

impl Oracle {
    /// Looks ahead over a part of the world.
    pub fn of(world: &World, split: Split, objective: Objective) -> Self {
        let best = |function| {
            (world.decisions(function, split) > 0)
                .then(|| best_of(&fixed_rewards(world, function, split, objective)))
        };
        Self { by_function: (0..world.functions()).map(best).collect() }
    }

    /// The best placement of a function; `None` when nothing is decided about it.
    pub fn placement(&self, function: usize) -> Option<Placement> {
        self.by_function.get(function).copied().flatten()
    }
}

impl PlacementPolicy for Oracle {
    fn name(&self) -> &str {
        "oracle"
    }

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        self.placement(point.function).unwrap_or_else(|| StayPut.place(point))
    }
}

/// Total reward of each placement when a function is put there at the first decision and left there.
fn fixed_rewards(
    world: &World,
    function: usize,
    split: Split,
    objective: Objective,
) -> [f64; Placement::COUNT] {
    let mut rewards = [0.0; Placement::COUNT];
    let mut environment = Environment::new(world, split, objective);
    for placement in Placement::all() {
        environment.reset(function);
        while let Some(outcome) = environment.step(placement) {
            rewards[placement.index()] += outcome.reward;
        }
    }
    rewards
}

/// The first of the highest.
fn best_of(rewards: &[f64; Placement::COUNT]) -> Placement {
    let mut best = crate::OBSERVED_ON;
    let mut highest = f64::NEG_INFINITY;
    for placement in Placement::all() {
        if rewards[placement.index()] > highest {
            highest = rewards[placement.index()];
            best = placement;
        }
    }
    best
}
