//! Simple policies, which a learnt one must beat.

use strata_domain::{Catalogue, Estimate, FunctionFacts, Objective, Placement, scaling};

use super::{environment::DecisionPoint, evaluate::PlacementPolicy, oracle::Oracle};
use crate::{
    seed::{Draws, Purpose, stream},
    traces::Scope,
    world::{Dynamics, Place, World},
};

/// Every policy of this module for a scope, after the oracle, which no policy can beat. `seed` is
/// that of the random policy.
pub fn baselines(
    world: &World,
    scope: Scope,
    objective: Objective,
    seed: u64,
) -> [Box<dyn PlacementPolicy>; 10] {
    [
        Box::new(Oracle::of(world, scope, objective)),
        Box::new(StayPut),
        Box::new(RandomPlacement::new(seed)),
        Box::new(RoundRobin::default()),
        Box::new(Greedy::cost()),
        Box::new(Greedy::latency()),
        Box::new(Greedy::carbon()),
        Box::new(BestFixed::of(world, scope, objective)),
        Box::new(OneStepModel),
        Box::new(PatientModel),
    ]
}

/// Leaves every function where it is.
#[derive(Debug, Clone, Copy)]
pub struct StayPut;

impl PlacementPolicy for StayPut {
    fn name(&self) -> &'static str {
        "stay_put"
    }

    fn place(&mut self, _: &Catalogue, point: &DecisionPoint) -> Placement {
        point.current
    }
}

/// Puts every function on the one placement with the highest total reward, in hindsight.
#[derive(Debug, Clone, Copy)]
pub struct BestFixed(Placement);

impl BestFixed {
    /// Tries all of them over a scope. A function that cannot run there stays where it is.
    pub fn of(world: &World, scope: Scope, objective: Objective) -> Self {
        let catalogue = world.catalogue();
        let mut rewards = vec![0.0; catalogue.candidates().len()];
        for function in 0..world.functions() {
            let Some((dynamics, numbers)) = world.decided(function, scope) else { continue };
            let before = world.attributes(function).map(|attributes| attributes.placement);
            let places = Place::all(catalogue, &dynamics.profile);
            for (reward, place) in rewards.iter_mut().zip(&places) {
                let mut moved = before != Some(place.placement);
                for interval in &dynamics.intervals[numbers.clone()] {
                    *reward += if place.is_feasible() {
                        let effect = dynamics.effect(interval, place, moved);
                        Dynamics::reward(interval, &effect, objective)
                    } else {
                        objective.infeasible_reward()
                    };
                    moved = false;
                }
            }
        }
        let better = |best: usize, next: usize| {
            if rewards[next] > rewards[best] { next } else { best }
        };
        let best = (0..rewards.len()).reduce(better).unwrap_or(0);
        Self(catalogue.candidates()[best])
    }

    /// The placement.
    pub const fn placement(&self) -> Placement {
        self.0
    }
}

impl PlacementPolicy for BestFixed {
    fn name(&self) -> &'static str {
        "best_fixed"
    }

    fn place(&mut self, _: &Catalogue, _: &DecisionPoint) -> Placement {
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
    fn name(&self) -> &'static str {
        "random"
    }

    fn place(&mut self, catalogue: &Catalogue, point: &DecisionPoint) -> Placement {
        let possible = possible(catalogue, point, |_| true);
        match possible.get(self.0.below(possible.len())) {
            Some(placement) => *placement,
            None => point.current,
        }
    }
}

/// Takes the platforms in turn, decision by decision, and moves on to the next placement on each in
/// turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundRobin {
    turns: usize,
}

impl PlacementPolicy for RoundRobin {
    fn name(&self) -> &'static str {
        "round_robin"
    }

    fn place(&mut self, catalogue: &Catalogue, point: &DecisionPoint) -> Placement {
        let platforms = catalogue.platforms().len();
        let (platform, round) = (self.turns % platforms, self.turns / platforms);
        self.turns += 1;
        let here = possible(catalogue, point, |placement| placement.platform.index() == platform);
        match here.get(round % here.len().max(1)) {
            Some(placement) => *placement,
            None => point.current,
        }
    }
}

fn possible(
    catalogue: &Catalogue,
    point: &DecisionPoint,
    wanted: impl Fn(&Placement) -> bool,
) -> Vec<Placement> {
    let memory = point.facts.memory.get();
    let all = catalogue.candidates().iter().copied();
    all.filter(|p| wanted(p) && scaling::fits(p.memory_mb, memory)).collect()
}

/// Takes the placement whose estimate is lowest on one goal.
#[derive(Debug, Clone, Copy)]
pub struct Greedy {
    name: &'static str,
    value: fn(&Estimate) -> f64,
}

impl Greedy {
    /// The cheapest.
    pub fn cost() -> Self {
        Self { name: "greedy_cost", value: |estimate| estimate.cost.get() }
    }

    /// The fastest.
    pub fn latency() -> Self {
        Self { name: "greedy_latency", value: |estimate| estimate.latency_ms }
    }

    /// The cleanest.
    pub fn carbon() -> Self {
        Self { name: "greedy_carbon", value: |estimate| estimate.carbon.get() }
    }
}

impl PlacementPolicy for Greedy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn place(&mut self, catalogue: &Catalogue, point: &DecisionPoint) -> Placement {
        let stay_minutes = FunctionFacts::INTERVAL_MINUTES;
        let outlook = point.facts.outlook(catalogue, &point.location, stay_minutes);
        let lowest = outlook.best_by(|_, estimate| -(self.value)(estimate));
        lowest.map_or(point.current, |lowest| catalogue.candidate(lowest))
    }
}

/// Takes the placement with the best expected objective until the next decision, by the formulas of
/// the domain: what an engineer would write, without learning and without knowing the future.
#[derive(Debug, Clone, Copy)]
pub struct OneStepModel;

impl PlacementPolicy for OneStepModel {
    fn name(&self) -> &'static str {
        "one_step_model"
    }

    fn place(&mut self, catalogue: &Catalogue, point: &DecisionPoint) -> Placement {
        best_over(FunctionFacts::INTERVAL_MINUTES, catalogue, point)
    }
}

/// As [`OneStepModel`], but expects the function to stay: the cold start of a move is spread over
/// [`FunctionFacts::STAY_MINUTES`].
#[derive(Debug, Clone, Copy)]
pub struct PatientModel;

impl PlacementPolicy for PatientModel {
    fn name(&self) -> &'static str {
        "patient_model"
    }

    fn place(&mut self, catalogue: &Catalogue, point: &DecisionPoint) -> Placement {
        best_over(FunctionFacts::STAY_MINUTES, catalogue, point)
    }
}

fn best_over(stay_minutes: f64, catalogue: &Catalogue, point: &DecisionPoint) -> Placement {
    let best = point.facts.outlook(catalogue, &point.location, stay_minutes).best();
    best.map_or(point.current, |best| catalogue.candidate(best))
}
