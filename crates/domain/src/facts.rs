//! What is known of a function: the one form in which every crate holds it.

use crate::{
    calls::{CallPattern, RecentGaps},
    catalogue::{Catalogue, Home, RegionId},
    estimate::InvocationProfile,
    formulas::cold_start::Chance,
    objective::Objective,
    outlook::Outlook,
    placement::Running,
    time::UtcTime,
    units::{GramsCo2e, Megabytes, Millis, Usd},
};

const MS_PER_MINUTE: f64 = 60_000.0;

/// What is known of a function when a decision about it is made, in physical units.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionFacts {
    /// The moment of the decision.
    pub at: UtcTime,
    /// Invocations per minute.
    pub invocation_rate_per_minute: f64,
    /// Mean time between invocations.
    pub inter_arrival: Millis,
    /// Seconds since the last invocation; `None` when unknown.
    pub idle_seconds: Option<f64>,
    /// Times between the latest invocations; empty when unknown.
    pub recent_gaps: RecentGaps,
    /// Run time of the latest invocation, warm.
    pub duration: Millis,
    /// Mean run time over the function's history.
    pub avg_duration: Millis,
    /// Standard deviation of the run time.
    pub std_duration: Millis,
    /// Memory the function uses.
    pub memory: Megabytes,
    /// Mean cost of an invocation.
    pub avg_cost: Usd,
    /// Mean carbon footprint of an invocation.
    pub avg_carbon: GramsCo2e,
    /// Share of invocations that started cold, 0 to 1.
    pub cold_start_rate: f64,
    /// The application as a whole.
    pub application: ApplicationFacts,
    /// Bytes of a request.
    pub request_bytes: f64,
    /// Bytes of an answer.
    pub response_bytes: f64,
    /// Share of a run at full speed that waits for the processor, 0 to 1, as processor accounting
    /// shows it; [`TYPICAL_CPU_SHARE`](crate::TYPICAL_CPU_SHARE) when unknown.
    pub cpu_share: f64,
    /// The objective by which placements are scored.
    pub objective: Objective,
}

/// Where a function is, in terms of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// Where it runs now; `None` when nowhere yet.
    pub current: Option<Running>,
    /// Where its callers and data are.
    pub home: Home,
}

impl FunctionFacts {
    /// Inter-arrival times below this many milliseconds count as bursty, as in the research
    /// framework.
    pub const BURSTY_BELOW_MS: f64 = 100.0;

    /// Minutes to the next decision: 100 steps of 15 s, the cadence of the tactical layer.
    pub const INTERVAL_MINUTES: f64 = 25.0;

    /// Minutes for which a function is expected to stay on a placement, over which the cost of the
    /// move is spread: 1,000 steps of 15 s, the cadence of the strategic layer. Of 25, 40, 60, 100,
    /// 150, 250 and 500 the best on validation functions and hours.
    pub const STAY_MINUTES: f64 = 250.0;

    /// Whether the function's invocations come in bursts.
    pub fn is_bursty(&self) -> bool {
        self.inter_arrival.get() < Self::BURSTY_BELOW_MS
    }

    /// The facts as input of [`estimate`](crate::estimate()): the calls of the next interval, and
    /// the cold start of a move spread over the calls of `stay_minutes`. Run times of a function
    /// without a placement count as measured on the catalogue's reference platform, in the smallest
    /// size that holds it.
    pub fn profile(
        &self,
        catalogue: &Catalogue,
        location: &Location,
        stay_minutes: f64,
    ) -> InvocationProfile {
        let Location { current, home } = *location;
        let rate = self.invocation_rate_per_minute.max(0.0);
        let pattern = CallPattern {
            rate_per_min: self.rate_or_inverse_gap(),
            idle_seconds: self.idle_seconds,
            gaps: self.recent_gaps,
        };
        let calls = rate * Self::INTERVAL_MINUTES;
        InvocationProfile {
            duration_ms: self.avg_duration.get(),
            duration_p95_ms: None,
            duration_std_ms: (self.std_duration.get() > 0.0).then(|| self.std_duration.get()),
            reference: current.unwrap_or_else(|| self.assumed_reference(catalogue)),
            cpu_share: self.cpu_share,
            memory_used_mb: self.memory.get(),
            cold: Chance::by_platform(catalogue, &pattern, calls),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            home,
            sla_ms: self.objective.sla_ms,
            calls_after_move: current.map_or(f64::INFINITY, |_| rate * stay_minutes),
        }
    }

    /// Invocations per minute: the rate or, without one, the inverse of the time between them.
    fn rate_or_inverse_gap(&self) -> f64 {
        let inter_arrival_ms = self.inter_arrival.get();
        if self.invocation_rate_per_minute > 0.0 {
            self.invocation_rate_per_minute
        } else if inter_arrival_ms > 0.0 {
            MS_PER_MINUTE / inter_arrival_ms
        } else {
            0.0
        }
    }

    fn assumed_reference(&self, catalogue: &Catalogue) -> Running {
        let platform = catalogue.reference_platform();
        let size = catalogue.platform(platform).smallest_holding(self.memory.get());
        Running { platform, region: None, memory_mb: size.memory_mb }
    }

    /// All candidates, estimated and scored for a function that stays there for `stay_minutes`.
    pub fn outlook(
        &self,
        catalogue: &Catalogue,
        location: &Location,
        stay_minutes: f64,
    ) -> Outlook {
        let profile = self.profile(catalogue, location, stay_minutes);
        Outlook::new(catalogue, &profile, self.at, self.objective)
    }

    /// The same of the candidates in regions that can be the best ([`Outlook::promising`]).
    pub fn promising_outlook(
        &self,
        catalogue: &Catalogue,
        location: &Location,
        allowed: impl Fn(RegionId) -> bool,
    ) -> Outlook {
        let profile = self.profile(catalogue, location, Self::STAY_MINUTES);
        Outlook::promising((catalogue, &profile, self.at), self.objective, allowed)
    }
}

/// What is known of an application over all its functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApplicationFacts {
    /// Share of invocations that started cold, 0 to 1.
    pub cold_start_rate: f64,
    /// Share of invocations slower than their latency objective, 0 to 1.
    pub sla_violation_rate: f64,
    /// Mean invocations per minute over its functions.
    pub avg_invocation_rate_per_minute: f64,
    /// Whether its load is bursty.
    pub is_bursty: bool,
}
