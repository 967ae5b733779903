use strata_domain::DEFAULT_SLA_MS;

/// What a world is made of besides its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldOptions {
    /// Seed of every draw.
    pub seed: u64,
    /// Minutes between two decisions about a function: 25 are the 1,500 s of the tactical layer,
    /// 250 the 15,000 s of the strategic one. At least 1.
    pub interval_minutes: usize,
    /// Variation of what the trace does not say of functions, their
    /// [`Attributes`](crate::Attributes): training on several keeps a model from learning the few
    /// functions by heart. 0 is the trace itself.
    pub variation: u64,
    /// Latency every call is promised, in ms.
    pub sla_ms: u32,
}

impl Default for WorldOptions {
    /// Seed 1, tactical cadence, the trace itself, [`DEFAULT_SLA_MS`].
    fn default() -> Self {
        Self { seed: 1, interval_minutes: 25, variation: 0, sla_ms: DEFAULT_SLA_MS as u32 }
    }
}
