//! What happens to one function in one interval on one placement.

use std::ops::Range;

use strata_domain::{
    Attainable, Estimate, InvocationProfile, Objective, PlacedRun, Placement, Provider, RecentGaps,
    RewardParts, Usd, UtcTime,
};

use super::{
    arrivals::STEPS_PER_MINUTE,
    cold_calls::CallWalk,
    grid::Grid,
    history::{CallMeans, CallTotals, RunTimeMoments},
    invocation::PlacedFunction,
    options::WorldOptions,
    outcome::{Outcome, RUNS_PER_INTERVAL},
};
use crate::{
    seed::{Purpose, stream},
    traces::{OBSERVED_ON, Split, Trace, TracedFunction},
};

/// Minutes over which the current call rate is counted.
const RATE_MINUTES: usize = 60;
const MS_PER_MINUTE: f64 = 60_000.0;

/// Start delays at the middles of eight equal shares of the distribution, in standard deviations of
/// its logarithm, in an order that does not rise with the run they are paired with.
const DELAY_DEVIATIONS: [f64; RUNS_PER_INTERVAL] =
    [0.157, -1.534, 0.887, -0.489, 1.534, -0.157, -0.887, 0.489];

/// One interval in which a function was called.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    pub(crate) start_minute: usize,
    pub(crate) split: Split,
    pub(crate) calls: u32,
    /// Expected cold calls by provider, and the probability that the first call is one, for a
    /// function that stays.
    cold: [f64; Provider::COUNT],
    first_cold: [f64; Provider::COUNT],
    /// Run times in ms on [`OBSERVED_ON`].
    runs: [f64; RUNS_PER_INTERVAL],
    pub(crate) rate_per_minute: f64,
    pub(crate) inter_arrival_ms: f64,
    pub(crate) idle_seconds: Option<f64>,
    pub(crate) recent_gaps: RecentGaps,
    /// What was observed before, on the placement the trace begins with.
    pub(crate) past_runs: RunTimeMoments,
    pub(crate) past_calls: CallTotals,
    attainable: Option<Attainable>,
}

/// The intervals of one function, in the order of time, and what does not change between them.
#[derive(Debug)]
pub(crate) struct Dynamics {
    pub(crate) intervals: Vec<Interval>,
    pub(crate) profile: InvocationProfile,
    start: UtcTime,
    interval_minutes: usize,
}

/// Where a function runs for an interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) placement: Placement,
    /// It ran elsewhere before, so that its first call is cold.
    pub(crate) moved: bool,
}

/// What happened on one placement, before it is scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effect {
    pub(crate) means: CallMeans,
    pub(crate) latency_ms: f64,
    sample_latency_ms: [f32; RUNS_PER_INTERVAL],
}

impl Dynamics {
    pub(crate) fn new(
        trace: &Trace,
        function: &TracedFunction,
        grid: &Grid,
        options: WorldOptions,
    ) -> Self {
        let attributes = function.attributes;
        let profile = InvocationProfile {
            duration_ms: function.duration_ms.mean(),
            duration_p95_ms: Some(function.duration_ms.quantile(0.95)),
            duration_std_ms: None,
            reference: OBSERVED_ON,
            cpu_share: attributes.cpu_share,
            memory_used_mb: function.peak_memory().get(),
            cold: Default::default(),
            request_bytes: attributes.request_bytes,
            response_bytes: attributes.response_bytes,
            home: attributes.home,
            sla_ms: options.sla_ms.into(),
            calls_after_move: f64::INFINITY,
        };
        let mut dynamics = Self {
            intervals: Vec::new(),
            profile,
            start: trace.start(),
            interval_minutes: grid.interval_minutes,
        };
        dynamics.fill(function, grid, options.seed);
        dynamics
    }

    fn fill(&mut self, function: &TracedFunction, grid: &Grid, seed: u64) {
        let mut walk = CallWalk::new(function, seed);
        let (mut past_runs, mut past_calls) = (RunTimeMoments::default(), CallTotals::default());
        for (number, &(start_minute, split)) in grid.intervals.iter().enumerate() {
            let (rate_per_minute, inter_arrival_ms) = recent_rate(function, start_minute);
            walk.skip_to(start_minute);
            let idle_seconds = walk.times.idle_seconds(start_minute * STEPS_PER_MINUTE);
            let recent_gaps = walk.times.gaps();
            let Some(cold) = walk.to(start_minute + grid.interval_minutes) else { continue };
            let mut draws = stream(seed, function.identity, Purpose::Durations, number as u64);
            let runs = [(); RUNS_PER_INTERVAL]
                .map(|()| function.duration_ms.quantile(draws.unit()).max(SHORTEST_RUN_MS));
            let mut interval = Interval {
                start_minute,
                split,
                calls: cold.calls,
                cold: cold.expected,
                first_cold: cold.first,
                runs,
                rate_per_minute,
                inter_arrival_ms,
                idle_seconds,
                recent_gaps,
                past_runs,
                past_calls,
                attainable: None,
            };
            interval.attainable = self.attainable(&interval);
            let stay = Choice { placement: function.attributes.placement, moved: false };
            let stay = self.effect(&interval, stay);
            past_calls.add(interval.calls, stay.means);
            interval.runs.iter().for_each(|run| past_runs.add(*run));
            self.intervals.push(interval);
        }
    }

    pub(crate) fn at(&self, interval: &Interval) -> UtcTime {
        minutes_after(self.start, interval.start_minute)
    }

    /// The best value of each goal over all placements for these calls, without a move.
    fn attainable(&self, interval: &Interval) -> Option<Attainable> {
        let candidates: Vec<Estimate> = Placement::all()
            .map(|placement| {
                let stay = Choice { placement, moved: false };
                let effect = self.effect(interval, stay);
                Estimate {
                    cost: effect.means.cost,
                    latency_ms: effect.latency_ms,
                    p95_latency_ms: effect.latency_ms,
                    cold_start_probability: effect.means.cold_start_rate,
                    carbon: effect.means.carbon,
                    late_share: effect.means.sla_violation_rate,
                    feasible: self.is_feasible(placement),
                }
            })
            .collect();
        Attainable::over(&candidates)
    }

    /// How close an effect comes to the best values, and its avoidable share of late calls.
    fn score(interval: &Interval, effect: &Effect) -> (RewardParts, f64) {
        let means = &effect.means;
        interval.attainable.map_or((RewardParts::default(), 1.0), |best| {
            (
                best.score(means.cost.get(), effect.latency_ms, means.carbon.get()),
                best.avoidable(means.sla_violation_rate),
            )
        })
    }

    /// The reward of an effect.
    pub(crate) fn reward(interval: &Interval, effect: &Effect, objective: Objective) -> f64 {
        let (parts, avoidable) = Self::score(interval, effect);
        objective.reward(parts, avoidable)
    }

    /// Numbers of the intervals of a part of the trace that need a decision: all but the very
    /// first, in which the function is only observed.
    pub(crate) fn decided_in(&self, split: Option<Split>) -> Range<usize> {
        let numbers = 1..self.intervals.len();
        let within =
            |number: &usize| split.is_none_or(|only| self.intervals[*number].split == only);
        match numbers.clone().find(within) {
            Some(first) => first..first + numbers.skip(first - 1).take_while(within).count(),
            None => 0..0,
        }
    }

    pub(crate) fn is_feasible(&self, placement: Placement) -> bool {
        PlacedRun::new(&self.profile, placement).is_feasible()
    }

    /// The calls of `interval` on the placement of `choice`.
    pub(crate) fn effect(&self, interval: &Interval, choice: Choice) -> Effect {
        let sla_ms = self.profile.sla_ms;
        let Choice { placement, moved } = choice;
        let placed = PlacedFunction::new(&self.profile, placement);
        let cold = interval.cold_share(placement.provider, moved);
        let (mut run_ms, mut cost, mut violations) = (0.0, 0.0, 0.0);
        let mut sample_latency_ms = [0.0; RUNS_PER_INTERVAL];
        for (index, observed_ms) in interval.runs.iter().enumerate() {
            let warm_ms = placed.run_ms(*observed_ms);
            let warm = placed.warm_latency_ms(warm_ms);
            let slow = placed.cold_latency_ms(warm_ms, DELAY_DEVIATIONS[index]);
            run_ms += warm_ms;
            cost += placed.mean_cost(warm_ms, cold);
            violations += (1.0 - cold) * over(warm, sla_ms) + cold * over(slow, sla_ms);
            let is_cold = (index as f64 + 0.5) / RUNS_PER_INTERVAL as f64 <= cold;
            sample_latency_ms[index] = if is_cold { slow } else { warm } as f32;
        }
        let runs = RUNS_PER_INTERVAL as f64;
        let run_ms = run_ms / runs + cold * placed.load_ms();
        let middle = interval.start_minute + self.interval_minutes / 2;
        Effect {
            means: CallMeans {
                cost: Usd::new(cost / runs),
                carbon: placed.carbon(run_ms, minutes_after(self.start, middle)),
                cold_start_rate: cold,
                sla_violation_rate: violations / runs,
            },
            latency_ms: placed.mean_latency_ms(run_ms, cold),
            sample_latency_ms,
        }
    }

    pub(crate) fn outcome(&self, interval: &Interval, effect: Effect) -> Outcome {
        let (parts, avoidable_violation_rate) = Self::score(interval, &effect);
        Outcome {
            at: self.at(interval),
            calls: interval.calls,
            placement: OBSERVED_ON,
            moved: false,
            refused: false,
            cost: effect.means.cost,
            latency_ms: effect.latency_ms,
            carbon: effect.means.carbon,
            cold_start_rate: effect.means.cold_start_rate,
            sla_violation_rate: effect.means.sla_violation_rate,
            sample_latency_ms: effect.sample_latency_ms,
            avoidable_violation_rate,
            parts,
            reward: 0.0,
        }
    }
}

/// The trace counts whole milliseconds; 0 stands for less than one.
const SHORTEST_RUN_MS: f64 = 0.5;

impl Interval {
    fn cold_share(&self, provider: Provider, moved: bool) -> f64 {
        let provider = provider.index();
        let extra = if moved { 1.0 - self.first_cold[provider] } else { 0.0 };
        ((self.cold[provider] + extra) / f64::from(self.calls.max(1))).min(1.0)
    }
}

fn over(latency_ms: f64, sla_ms: f64) -> f64 {
    f64::from(u8::from(latency_ms > sla_ms))
}

fn minutes_after(start: UtcTime, minutes: usize) -> UtcTime {
    start.plus_seconds(minutes as i64 * 60)
}

/// Calls per minute over the last hour, and the mean time between them in ms. Without a call in
/// that hour, the latter is the time since the last one.
fn recent_rate(function: &TracedFunction, minute: usize) -> (f64, f64) {
    let from = minute.saturating_sub(RATE_MINUTES);
    let recent = function.per_minute.get(from..minute).unwrap_or_default();
    let calls: f64 = recent.iter().copied().map(f64::from).sum();
    let minutes = recent.len().max(1) as f64;
    if calls > 0.0 {
        return (calls / minutes, minutes * MS_PER_MINUTE / calls);
    }
    let before = function.per_minute.get(..from).unwrap_or_default();
    let idle = before.iter().rposition(|count| *count > 0).map_or(minute, |last| minute - last);
    (0.0, idle as f64 * MS_PER_MINUTE)
}
