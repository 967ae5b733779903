//! The world as a reinforcement-learning environment: observe, act, receive a reward.

use strata_domain::{
    ApplicationFacts, FunctionFacts, Location, Megabytes, Millis, Objective, Placement, scaling,
};

use crate::{
    traces::{Scope, observed_on},
    world::{CallTotals, Dynamics, Interval, Outcome, Place, World},
};

/// One decision to make.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionPoint {
    /// Position of the function in the trace.
    pub function: usize,
    /// What a platform knows of it, in physical units. Run times are those on its current
    /// placement. Every function is its own application: the facts of the application are the
    /// function's.
    pub facts: FunctionFacts,
    /// Where it and its callers are.
    pub location: Location,
    /// Where it runs: the current placement of `location`.
    pub current: Placement,
}

/// One function at a time, from its first decision in a part of the trace to its last.
///
/// A step is an interval in which the function is called. Its reward is that of the placement
/// chosen for it; after a move the first call is cold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Environment<'w> {
    world: &'w World,
    scope: Scope,
    objective: Objective,
    function: usize,
    /// Number of the interval of the next decision; `end` is one beyond the last.
    next: usize,
    end: usize,
    current: Placement,
    past: CallTotals,
}

impl<'w> Environment<'w> {
    /// An environment without a decision to make until the first [`Environment::reset`].
    ///
    /// The promised latency is the world's; that of `objective` is ignored.
    pub fn new(world: &'w World, scope: impl Into<Scope>, objective: Objective) -> Self {
        let sla_ms = world.options().sla_ms.into();
        Self {
            world,
            scope: scope.into(),
            objective: Objective { sla_ms, ..objective },
            function: 0,
            next: 0,
            end: 0,
            current: observed_on(world.catalogue()),
            past: CallTotals::default(),
        }
    }

    /// Begins with a function on its placement in the trace; `false` when it needs no decision in
    /// this scope.
    pub fn reset(&mut self, function: usize) -> bool {
        match self.world.attributes(function) {
            Some(attributes) => self.reset_at(function, attributes.placement),
            None => false,
        }
    }

    /// Begins with a function on any placement, as if it had been moved there just before; its
    /// history is that of the placement the trace begins with.
    pub fn reset_at(&mut self, function: usize, current: Placement) -> bool {
        (self.next, self.end) = (0, 0);
        let Some((dynamics, numbers)) = self.world.decided(function, self.scope) else {
            return false;
        };
        self.past = dynamics.intervals[numbers.start].past_calls;
        (self.function, self.next, self.end) = (function, numbers.start, numbers.end);
        self.current = current;
        true
    }

    /// Decisions left.
    pub fn remaining(&self) -> usize {
        self.end - self.next
    }

    /// Where the function runs now.
    pub fn current(&self) -> Placement {
        self.current
    }

    /// The next decision; `None` when there is none.
    pub fn observe(&self) -> Option<DecisionPoint> {
        let (dynamics, interval) = self.here()?;
        let cpu_share = dynamics.profile.cpu_share;
        let factor = self.world.run_time_factor(self.current, cpu_share);
        let runs = interval.past_runs;
        let means = self.past.means();
        let facts = FunctionFacts {
            at: dynamics.at(interval),
            invocation_rate_per_minute: interval.rate_per_minute,
            inter_arrival: Millis::new(interval.inter_arrival_ms),
            idle_seconds: interval.idle_seconds,
            recent_gaps: interval.recent_gaps,
            duration: Millis::new(runs.latest() * factor),
            avg_duration: Millis::new(runs.mean() * factor),
            std_duration: Millis::new(runs.deviation() * factor),
            memory: Megabytes::new(dynamics.profile.memory_used_mb),
            avg_cost: means.cost,
            avg_carbon: means.carbon,
            cold_start_rate: means.cold_start_rate,
            application: ApplicationFacts {
                cold_start_rate: means.cold_start_rate,
                sla_violation_rate: means.sla_violation_rate,
                avg_invocation_rate_per_minute: interval.rate_per_minute,
                is_bursty: interval.inter_arrival_ms < FunctionFacts::BURSTY_BELOW_MS,
            },
            request_bytes: dynamics.profile.request_bytes,
            response_bytes: dynamics.profile.response_bytes,
            cpu_share,
            objective: self.objective,
        };
        let home = dynamics.profile.home;
        let location = Location { current: Some(self.current.into()), home };
        Some(DecisionPoint { function: self.function, facts, location, current: self.current })
    }

    /// Whether `placement` is a candidate of the catalogue that the function can run on.
    pub fn is_feasible(&self, placement: Placement) -> bool {
        let is_sold = self.world.catalogue().find_candidate(placement).is_some();
        is_sold
            && self.world.dynamics(self.function).is_some_and(|dynamics| {
                scaling::fits(placement.memory_mb, dynamics.profile.memory_used_mb)
            })
    }

    /// The outcome of `placement` for this decision, without making it; `None` when there is none
    /// to make.
    pub fn peek(&self, placement: Placement) -> Option<Outcome> {
        let (dynamics, interval) = self.here()?;
        let refused = !self.is_feasible(placement);
        let target = if refused { self.current } else { placement };
        let place = Place::new(self.world.catalogue(), &dynamics.profile, target)?;
        let moved = target != self.current;
        let outcome = dynamics.outcome(interval, &place, moved);
        let reward = if refused {
            self.objective.infeasible_reward()
        } else {
            self.objective.reward(outcome.parts, outcome.avoidable_violation_rate)
        };
        Some(Outcome { refused, reward, ..outcome })
    }

    /// Chooses `placement` and moves on to the next decision; `None` when there is none to make.
    pub fn step(&mut self, placement: Placement) -> Option<Outcome> {
        let outcome = self.peek(placement)?;
        self.past.add(outcome.calls, (&outcome).into());
        self.current = outcome.placement;
        self.next += 1;
        Some(outcome)
    }

    fn here(&self) -> Option<(&'w Dynamics, &'w Interval)> {
        if self.next == self.end {
            return None;
        }
        let dynamics = self.world.dynamics(self.function)?;
        Some((dynamics, dynamics.intervals.get(self.next)?))
    }
}
