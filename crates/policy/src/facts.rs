use strata_domain::{GramsCo2e, Megabytes, Millis, Placement, Region, Usd, UtcTime};

/// What is known of a function when a decision about it is made, in physical units.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionFacts {
    /// The moment of the decision.
    pub at: UtcTime,
    /// Invocations per minute.
    pub invocation_rate_per_minute: f64,
    /// Mean time between invocations.
    pub inter_arrival: Millis,
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
}

impl FunctionFacts {
    /// Inter-arrival times below this many milliseconds count as bursty, as in the research framework.
    pub const BURSTY_BELOW_MS: f64 = 100.0;

    /// Whether the function's invocations come in bursts.
    pub fn is_bursty(&self) -> bool {
        self.inter_arrival.get() < Self::BURSTY_BELOW_MS
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
