//! What happens to one function in one interval on one placement.

use std::ops::Range;

use strata_domain::{
    Attainable, Estimate, GramsCo2e, InvocationProfile, MemoryTier, Objective, PlacedRun,
    Placement, Provider, RecentGaps, Region, RewardParts, Usd, UtcTime, cold_start,
};

use crate::{
    arrivals::{Arrivals, STEPS_PER_MINUTE},
    history::{CallMeans, CallTimes, CallTotals, RunTimes},
    invocation::PlacedFunction,
    seed::{Purpose, stream},
    split::Split,
    trace::{Trace, TracedFunction},
    world::WorldOptions,
};

/// Where the run times of the trace were measured: Azure's consumption plan, whose tiers and regions run alike.
pub const OBSERVED_ON: Placement =
    Placement { provider: Provider::Azure, region: Region::UsEast, memory: MemoryTier::Mb1024 };

/// Runs drawn for each interval; every placement is judged on the same ones.
pub const RUNS_PER_INTERVAL: usize = 8;

/// Minutes over which the current call rate is counted.
const RATE_MINUTES: usize = 60;
const MS_PER_MINUTE: f64 = 60_000.0;

/// Start delays at the middles of eight equal shares of the distribution, in standard deviations of its logarithm, in an order that does not rise with the
/// run they are paired with.
const DELAY_DEVIATIONS: [f64; RUNS_PER_INTERVAL] =
    [0.157, -1.534, 0.887, -0.489, 1.534, -0.157, -0.887, 0.489];

/// What a placement meant for the calls of one interval. Costs, times and gas are means per call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Beginning of the interval.
    pub at: UtcTime,
    /// Calls in the interval.
    pub calls: u32,
    /// Where they ran: the chosen placement, or the old one when it was refused.
    pub placement: Placement,
    /// Whether the function was moved.
    pub moved: bool,
    /// Whether the chosen placement could not run the function: then it stays where it was, and earns the reward of an impossible choice.
    pub refused: bool,
    /// Price per call, egress included.
    pub cost: Usd,
    /// Mean latency in ms: network, run, cold starts.
    pub latency_ms: f64,
    /// Gas per call.
    pub carbon: GramsCo2e,
    /// Share of calls that started cold. After a move the first one always does.
    pub cold_start_rate: f64,
    /// Share of calls slower than the promise.
    pub sla_violation_rate: f64,
    /// The part of it that another placement would have avoided.
    pub avoidable_violation_rate: f64,
    /// Latency in ms of the runs drawn for the interval, as many of them cold as the share says.
    pub sample_latency_ms: [f32; RUNS_PER_INTERVAL],
    /// How close the placement comes to the best one on each goal, for these very calls.
    pub parts: RewardParts,
    /// What the objective makes of it.
    pub reward: f64,
}

/// One interval in which a function was called.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    pub(crate) start_minute: usize,
    pub(crate) split: Split,
    pub(crate) calls: u32,
    /// Expected cold calls by provider, and the probability that the first call is one, for a function that stays.
    cold: [f64; 3],
    first_cold: [f64; 3],
    /// Run times in ms on [`OBSERVED_ON`].
    runs: [f64; RUNS_PER_INTERVAL],
    pub(crate) rate_per_minute: f64,
    pub(crate) inter_arrival_ms: f64,
    pub(crate) idle_seconds: Option<f64>,
    pub(crate) recent_gaps: RecentGaps,
    /// What was observed before, on the placement the trace begins with.
    pub(crate) past_runs: RunTimes,
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

/// What happened on one placement, before it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effect {
    pub(crate) means: CallMeans,
    pub(crate) latency_ms: f64,
    sample_latency_ms: [f32; RUNS_PER_INTERVAL],
}

/// Which intervals there are, the same for every function.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub(crate) interval_minutes: usize,
    /// First minute and part of each interval.
    pub(crate) intervals: Vec<(usize, Split)>,
}

impl Grid {
    /// Whole intervals from the beginning of each part; a rest shorter than an interval belongs to none.
    pub(crate) fn new(minutes: usize, interval_minutes: usize) -> Self {
        let mut intervals = Vec::new();
        for split in Split::ALL {
            let part = split.minutes(minutes);
            let starts = part.clone().step_by(interval_minutes);
            let whole = starts.filter(|start| part.end - start >= interval_minutes);
            intervals.extend(whole.map(|start| (start, split)));
        }
        Self { interval_minutes, intervals }
    }
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
        let mut gaps = Gaps::new(function, seed);
        let (mut past_runs, mut past_calls) = (RunTimes::default(), CallTotals::default());
        for (number, &(start_minute, split)) in grid.intervals.iter().enumerate() {
            let (rate_per_minute, inter_arrival_ms) = recent_rate(function, start_minute);
            gaps.skip_to(start_minute);
            let idle_seconds = gaps.times.idle_seconds(start_minute * STEPS_PER_MINUTE);
            let recent_gaps = gaps.times.gaps();
            let Some(cold) = gaps.walk(start_minute + grid.interval_minutes) else { continue };
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

    /// The best any placement does on each goal for these calls, for a function that is already there.
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

    /// How close an effect comes to the best, and its share of violations that could have been avoided.
    fn score(interval: &Interval, effect: &Effect) -> (RewardParts, f64) {
        let means = &effect.means;
        interval.attainable.map_or((RewardParts::default(), 1.0), |best| {
            (
                best.score(means.cost.get(), effect.latency_ms, means.carbon.get()),
                best.avoidable(means.sla_violation_rate),
            )
        })
    }

    /// What an objective makes of an effect.
    pub(crate) fn reward(interval: &Interval, effect: &Effect, objective: Objective) -> f64 {
        let (parts, avoidable) = Self::score(interval, effect);
        objective.reward(parts, avoidable)
    }

    /// Numbers of the intervals in a part of the trace that are decided about: all but the very first, in which the function is only
    /// observed.
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

    /// The calls of `interval` where `choice` puts them.
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

impl From<&Outcome> for CallMeans {
    fn from(outcome: &Outcome) -> Self {
        Self {
            cost: outcome.cost,
            carbon: outcome.carbon,
            cold_start_rate: outcome.cold_start_rate,
            sla_violation_rate: outcome.sla_violation_rate,
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

/// Calls per minute over the last hour, and the mean time between them in ms; when there was none, the time since the last one.
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

/// Walks over a function's calls and the gaps between them.
struct Gaps<'a> {
    arrivals: Arrivals<'a>,
    per_minute: &'a [u32],
    minute: usize,
    times: CallTimes,
}

#[derive(Default)]
struct ColdCalls {
    calls: u32,
    expected: [f64; 3],
    first: [f64; 3],
}

impl<'a> Gaps<'a> {
    fn new(function: &'a TracedFunction, seed: u64) -> Self {
        Self {
            arrivals: Arrivals::new(function, seed),
            per_minute: &function.per_minute,
            minute: 0,
            times: CallTimes::default(),
        }
    }

    /// Passes over minutes that belong to no interval.
    fn skip_to(&mut self, minute: usize) {
        let _ = self.walk(minute);
    }

    /// The calls up to the minute `end`; `None` when there are none. Calls after the first of a step are warm.
    fn walk(&mut self, end: usize) -> Option<ColdCalls> {
        let mut cold = ColdCalls::default();
        while self.minute < end {
            let minute = self.minute;
            self.minute += 1;
            if self.per_minute.get(minute).is_none_or(|count| *count == 0) {
                continue;
            }
            for (within, count) in self.arrivals.in_minute(minute).into_iter().enumerate() {
                if count > 0 {
                    self.call(minute * STEPS_PER_MINUTE + within, count, &mut cold);
                }
            }
        }
        (cold.calls > 0).then_some(cold)
    }

    fn call(&mut self, step: usize, count: u32, cold: &mut ColdCalls) {
        // Before the first call of the trace there was no instance.
        let idle_minutes =
            self.times.idle_seconds(step).map_or(f64::INFINITY, |seconds| seconds / 60.0);
        for provider in Provider::ALL {
            let probability = cold_start::probability_after_idle(provider, idle_minutes);
            cold.expected[provider.index()] += probability;
            if cold.calls == 0 {
                cold.first[provider.index()] = probability;
            }
        }
        cold.calls = cold.calls.saturating_add(count);
        self.times.add(step, count);
    }
}
