//! What happens to one function in one interval on one placement.

use std::ops::Range;

use strata_domain::{
    Attainable, Catalogue, Estimate, InvocationProfile, Objective, RecentGaps, RewardParts, UtcTime,
};

use super::{
    arrivals::STEPS_PER_MINUTE,
    cold_calls::{CallWalk, Cold},
    history::{CallTotals, RunTimeMoments},
    outcome::{Outcome, RUNS_PER_INTERVAL},
    place::{Effect, Place, Ran},
    setting::Setting,
};
use crate::{
    seed::{Purpose, stream},
    traces::{Attributes, Split, TracedFunction},
};

/// Minutes over which the current call rate is counted.
const RATE_MINUTES: usize = 60;
const MS_PER_MINUTE: f64 = 60_000.0;

/// One interval in which a function was called.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    pub(crate) start_minute: usize,
    pub(crate) split: Split,
    pub(crate) calls: u32,
    /// Its cold calls, by platform.
    cold: Vec<Cold>,
    /// Run times in ms where the trace was observed.
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

impl Dynamics {
    pub(super) fn new(
        setting: Setting<'_>,
        function: &TracedFunction,
        attributes: &Attributes,
    ) -> Self {
        let profile = InvocationProfile {
            duration_ms: function.duration_ms.mean(),
            duration_p95_ms: Some(function.duration_ms.quantile(0.95)),
            duration_std_ms: None,
            reference: setting.observed_on.into(),
            cpu_share: attributes.cpu_share,
            memory_used_mb: function.peak_memory().get(),
            cold: Vec::new(),
            request_bytes: attributes.request_bytes,
            response_bytes: attributes.response_bytes,
            home: attributes.home,
            sla_ms: setting.options.sla_ms.into(),
            calls_after_move: f64::INFINITY,
        };
        let mut dynamics = Self {
            intervals: Vec::new(),
            profile,
            start: setting.trace.start(),
            interval_minutes: setting.grid.interval_minutes,
        };
        let initial = Place::new(setting.catalogue, &dynamics.profile, attributes.placement);
        dynamics.fill(setting, function, initial);
        dynamics
    }

    /// Adds the intervals of a function that is at `initial` when the trace begins.
    fn fill(
        &mut self,
        setting: Setting<'_>,
        function: &TracedFunction,
        initial: Option<Place<'_>>,
    ) {
        let (seed, grid) = (setting.options.seed, setting.grid);
        let places = self.feasible_places(setting.catalogue);
        let mut walk = CallWalk::new(setting.catalogue, function, seed);
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
                cold: cold.cold,
                runs,
                rate_per_minute,
                inter_arrival_ms,
                idle_seconds,
                recent_gaps,
                past_runs,
                past_calls,
                attainable: None,
            };
            interval.attainable = self.attainable(&interval, &places);
            if let Some(initial) = &initial {
                past_calls.add(interval.calls, self.effect(&interval, initial, false).means);
            }
            interval.runs.iter().for_each(|run| past_runs.add(*run));
            self.intervals.push(interval);
        }
    }

    pub(crate) fn at(&self, interval: &Interval) -> UtcTime {
        minutes_after(self.start, interval.start_minute)
    }

    /// Every candidate that the function can run on.
    pub(crate) fn feasible_places<'c>(&self, catalogue: &'c Catalogue) -> Vec<Place<'c>> {
        let mut places = Place::all(catalogue, &self.profile);
        places.retain(Place::is_feasible);
        places
    }

    /// The best value of each goal over all placements for these calls, without a move.
    fn attainable(&self, interval: &Interval, places: &[Place<'_>]) -> Option<Attainable> {
        let stay = |place: &Place<'_>| Estimate::from(self.effect(interval, place, false));
        let candidates: Vec<Estimate> = places.iter().map(stay).collect();
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

    /// The calls of `interval` on a placement.
    pub(crate) fn ran<'p>(&self, interval: &Interval, place: &'p Place<'_>) -> Ran<'p> {
        let middle = interval.start_minute + self.interval_minutes / 2;
        place.ran(&interval.runs, minutes_after(self.start, middle))
    }

    /// What the calls of `interval` come to on a placement, to which the function has just been
    /// moved or not.
    pub(crate) fn effect(&self, interval: &Interval, place: &Place<'_>, moved: bool) -> Effect {
        self.ran(interval, place).effect(interval.cold_share(place, moved))
    }

    /// The same as an outcome, before it is rewarded.
    pub(crate) fn outcome(&self, interval: &Interval, place: &Place<'_>, moved: bool) -> Outcome {
        let effect = self.effect(interval, place, moved);
        let (parts, avoidable_violation_rate) = Self::score(interval, &effect);
        let Effect { means, latency_ms } = effect;
        Outcome {
            at: self.at(interval),
            calls: interval.calls,
            placement: place.placement,
            moved,
            refused: false,
            cost: means.cost,
            latency_ms,
            carbon: means.carbon,
            cold_start_rate: means.cold_start_rate,
            sla_violation_rate: means.sla_violation_rate,
            avoidable_violation_rate,
            sample_latency_ms: place.sample_ms(&interval.runs, means.cold_start_rate),
            parts,
            reward: 0.0,
        }
    }
}

/// The trace counts whole milliseconds; 0 stands for less than one.
const SHORTEST_RUN_MS: f64 = 0.5;

impl Interval {
    /// The share of its calls that starts cold on a placement. The first call after a move does.
    pub(crate) fn cold_share(&self, place: &Place<'_>, moved: bool) -> f64 {
        let Cold { expected, first } = self.cold[place.placement.platform.index()];
        let extra = if moved { 1.0 - first } else { 0.0 };
        ((expected + extra) / f64::from(self.calls.max(1))).min(1.0)
    }
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
