//! The upper bound: a policy that knows everything that will happen.

use strata_domain::{Catalogue, Objective, Placement};

use super::{environment::DecisionPoint, evaluate::PlacementPolicy};
use crate::{
    traces::Scope,
    world::{Dynamics, Interval, Place, World},
};

/// Knows every call and every run time, and takes the best of all sequences of placements: dynamic
/// programming backwards over the intervals, with the cold start of each move. No policy can earn
/// more.
#[derive(Debug, Clone)]
pub struct Oracle {
    /// For each function, the placements of its decisions, in the order of time.
    plans: Vec<Vec<Placement>>,
    function: usize,
    next: usize,
}

impl Oracle {
    /// Plans for every function of a scope.
    pub fn of(world: &World, scope: Scope, objective: Objective) -> Self {
        let catalogue = world.catalogue();
        let plan = |function: usize| {
            let (dynamics, numbers) = world.decided(function, scope)?;
            let start = world.attributes(function)?.placement;
            let places = dynamics.feasible_places(catalogue);
            let plan = Plan::of(dynamics, &places, &dynamics.intervals[numbers], objective);
            Some(plan.from(&places, start))
        };
        let plans = (0..world.functions()).map(|function| plan(function).unwrap_or_default());
        Self { plans: plans.collect(), function: usize::MAX, next: 0 }
    }
}

impl PlacementPolicy for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn place(&mut self, _: &Catalogue, point: &DecisionPoint) -> Placement {
        if self.function != point.function {
            (self.function, self.next) = (point.function, 0);
        }
        let planned = self.plans.get(point.function).and_then(|plan| plan.get(self.next));
        self.next += 1;
        planned.copied().unwrap_or(point.current)
    }
}

/// The best choices of one interval, as positions among the places.
struct Step {
    /// Where a function goes that has to move; `None` when there is no place.
    moved: Option<usize>,
    /// By the place before: whether it pays to stay there.
    stays: Vec<bool>,
}

/// The best choices of each interval.
struct Plan(Vec<Step>);

impl Plan {
    fn of(
        dynamics: &Dynamics,
        places: &[Place<'_>],
        intervals: &[Interval],
        objective: Objective,
    ) -> Self {
        let mut ahead = vec![0.0; places.len()];
        let mut steps = Vec::with_capacity(intervals.len());
        for interval in intervals.iter().rev() {
            let values = places.iter().zip(&ahead).map(|(place, ahead)| {
                let ran = dynamics.ran(interval, place);
                [false, true].map(|moved| {
                    let effect = ran.effect(interval.cold_share(place, moved));
                    Dynamics::reward(interval, &effect, objective) + ahead
                })
            });
            let values: Vec<[f64; 2]> = values.collect();
            let moves = values.iter().map(|[_, moved]| *moved).enumerate();
            let best = moves.reduce(|best, next| if next.1 > best.1 { next } else { best });
            let pays = |value: f64| best.is_none_or(|(_, moved)| moved <= value);
            let most = |value: f64| best.map_or(value, |(_, moved)| moved.max(value));
            ahead = values.iter().map(|[stay, _]| most(*stay)).collect();
            let stays = values.iter().map(|[stay, _]| pays(*stay)).collect();
            steps.push(Step { moved: best.map(|(place, _)| place), stays });
        }
        steps.reverse();
        Self(steps)
    }

    /// The placements of a function that is at `start` before the first interval. Where nothing is
    /// feasible it stays.
    fn from(self, places: &[Place<'_>], start: Placement) -> Vec<Placement> {
        let mut here = places.iter().position(|place| place.placement == start);
        let follow = |step: Step| {
            here = here.filter(|here| step.stays[*here]).or(step.moved);
            here.map_or(start, |here| places[here].placement)
        };
        self.0.into_iter().map(follow).collect()
    }
}
