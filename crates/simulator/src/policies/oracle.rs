//! The upper bound: a policy that knows everything that will happen.

use strata_domain::{Objective, Placement};

use super::{environment::DecisionPoint, evaluate::PlacementPolicy};
use crate::{
    traces::{OBSERVED_ON, Scope, TracedFunction},
    world::{Choice, Dynamics, Interval, World},
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
        let plan = |(function, traced): (usize, &TracedFunction)| {
            world.decided(function, scope).map_or_else(Vec::new, |(dynamics, numbers)| {
                Plan::of(dynamics, &dynamics.intervals[numbers], objective)
                    .from(traced.attributes.placement)
            })
        };
        let plans = world.trace().functions().iter().enumerate().map(plan).collect();
        Self { plans, function: usize::MAX, next: 0 }
    }
}

impl PlacementPolicy for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        if self.function != point.function {
            (self.function, self.next) = (point.function, 0);
        }
        let planned = self.plans.get(point.function).and_then(|plan| plan.get(self.next));
        self.next += 1;
        planned.copied().or(point.facts.current).unwrap_or(OBSERVED_ON)
    }
}

type ByPlacement<T> = [T; Placement::COUNT];

/// For each interval, the best next placement by the placement before it.
struct Plan(Vec<ByPlacement<Placement>>);

impl Plan {
    fn of(dynamics: &Dynamics, intervals: &[Interval], objective: Objective) -> Self {
        let mut ahead = [0.0; Placement::COUNT];
        let mut steps = Vec::with_capacity(intervals.len());
        for interval in intervals.iter().rev() {
            let value = |placement: Placement, moved: bool| {
                if !dynamics.is_feasible(placement) {
                    return f64::NEG_INFINITY;
                }
                let effect = dynamics.effect(interval, Choice { placement, moved });
                Dynamics::reward(interval, &effect, objective) + ahead[placement.index()]
            };
            let moved = Placement::all()
                .map(|placement| (placement, value(placement, true)))
                .reduce(|best, next| if next.1 > best.1 { next } else { best });
            let mut step = [OBSERVED_ON; Placement::COUNT];
            let mut values = [f64::NEG_INFINITY; Placement::COUNT];
            for here in Placement::all() {
                let stay = (here, value(here, false));
                let best = moved.filter(|moved| moved.1 > stay.1).unwrap_or(stay);
                (step[here.index()], values[here.index()]) = best;
            }
            ahead = values;
            steps.push(step);
        }
        steps.reverse();
        Self(steps)
    }

    fn from(self, start: Placement) -> Vec<Placement> {
        let follow = |here: &mut Placement, step: ByPlacement<Placement>| {
            *here = step[here.index()];
            Some(*here)
        };
        self.0.into_iter().scan(start, follow).collect()
    }
}
