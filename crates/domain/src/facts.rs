//! What is known of a function: the one form in which every crate holds it.

use crate::{
    CallPattern, GramsCo2e, Home, InvocationProfile, Megabytes, MemoryTier, Millis, Objective,
    Outlook, Placement, Provider, RecentGaps, Region, Usd, UtcTime, cold_start::Chance,
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
    /// Where the function runs now; `None` when nowhere yet.
    pub current: Option<Placement>,
    /// Where most of its callers are.
    pub home: Region,
    /// The provider that holds its data and sends its requests; `None` when callers are on the internet.
    pub data_provider: Option<Provider>,
    /// Bytes of a request.
    pub request_bytes: f64,
    /// Bytes of an answer.
    pub response_bytes: f64,
    /// Share of a run at full speed that waits for the processor, 0 to 1, as processor accounting shows it;
    /// [`TYPICAL_CPU_SHARE`](crate::TYPICAL_CPU_SHARE) when unknown.
    pub cpu_share: f64,
    /// What is wanted of a placement.
    pub objective: Objective,
    /// Expected objective of each placement, in the order of [`Placement::all`], as whoever asks has worked them out; `None`: they are worked
    /// out from the rest.
    pub expected: Option<Box<[f32; Placement::COUNT]>>,
}

impl FunctionFacts {
    /// Inter-arrival times below this many milliseconds count as bursty, as in the research framework.
    pub const BURSTY_BELOW_MS: f64 = 100.0;

    /// Whether the function's invocations come in bursts.
    pub fn is_bursty(&self) -> bool {
        self.inter_arrival.get() < Self::BURSTY_BELOW_MS
    }

    /// Minutes to the next decision: 100 steps of 15 s, the cadence of the tactical layer.
    pub const INTERVAL_MINUTES: f64 = 25.0;

    /// Minutes for which a function is taken to stay where it is put, so that a move may pay off later: 1,000 steps of 15 s, the cadence of
    /// the strategic layer. Of 25, 40, 60, 100, 150, 250 and 500 the best on validation functions and hours.
    pub const STAY_MINUTES: f64 = 250.0;

    /// The same as input of [`estimate`](crate::estimate()): the calls of the next interval, and the cold start of a move spread
    /// over those of `stay_minutes`. Run times of a function that runs nowhere yet are taken to be those on AWS near
    /// its callers, in the smallest size that holds it.
    pub fn profile(&self, stay_minutes: f64) -> InvocationProfile {
        let rate = self.invocation_rate_per_minute.max(0.0);
        let pattern = CallPattern {
            rate_per_min: self.rate_or_inverse_gap(),
            idle_seconds: self.idle_seconds,
            gaps: self.recent_gaps,
        };
        InvocationProfile {
            duration_ms: self.avg_duration.get(),
            duration_p95_ms: None,
            duration_std_ms: (self.std_duration.get() > 0.0).then(|| self.std_duration.get()),
            reference: self.current.unwrap_or_else(|| self.assumed_reference()),
            cpu_share: self.cpu_share,
            memory_used_mb: self.memory.get(),
            cold: Chance::by_provider(&pattern, rate * Self::INTERVAL_MINUTES),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            home: Home { region: self.home, provider: self.data_provider },
            sla_ms: self.objective.sla_ms,
            calls_after_move: self.current.map_or(f64::INFINITY, |_| rate * stay_minutes),
        }
    }

    /// Invocations per minute: the rate, or, without one, what the time between invocations says.
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

    fn assumed_reference(&self) -> Placement {
        Placement {
            provider: Provider::Aws,
            region: self.home,
            memory: MemoryTier::smallest_holding(self.memory).unwrap_or(MemoryTier::Mb3008),
        }
    }

    /// Every placement, judged by the formulas of the domain for a function that stays there for `stay_minutes`.
    pub fn outlook(&self, stay_minutes: f64) -> Outlook {
        Outlook::new(&self.profile(stay_minutes), self.at, self.objective)
    }

    /// The region it runs in now; its callers' region when it runs nowhere yet.
    pub fn current_region(&self) -> Region {
        self.current.map_or(self.home, |placement| placement.region)
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
