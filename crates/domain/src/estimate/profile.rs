use crate::{catalogue::Home, formulas::cold_start::Chance, placement::Running};

/// What is known about a function's invocations.
///
/// Impossible values (negative, not a number) count as 0 and never panic.
#[derive(Debug, Clone, PartialEq)]
pub struct InvocationProfile {
    /// Mean time of a warm run on `reference`, in ms, without queueing and network.
    pub duration_ms: f64,
    /// 95th percentile of the same, in ms; [`crate::TYPICAL_P95_OVER_MEAN`] times the mean when
    /// unknown.
    pub duration_p95_ms: Option<f64>,
    /// Standard deviation of the same, in ms. When unknown, it is that of a log-normal distribution
    /// whose 95th percentile is [`crate::TYPICAL_P95_OVER_MEAN`] times its mean.
    pub duration_std_ms: Option<f64>,
    /// Where those durations were observed.
    pub reference: Running,
    /// Share of a run at full speed that waits for the processor, 0 to 1;
    /// [`crate::TYPICAL_CPU_SHARE`] when unknown.
    pub cpu_share: f64,
    /// Memory a run uses, in MB.
    pub memory_used_mb: f64,
    /// How likely its invocations are to be cold where it runs, by platform: one for each of the
    /// catalogue's.
    pub cold: Vec<Chance>,
    /// Bytes of a request.
    pub request_bytes: f64,
    /// Bytes of an answer.
    pub response_bytes: f64,
    /// Where callers and data are.
    pub home: Home,
    /// Latency an invocation is promised, in ms.
    pub sla_ms: f64,
    /// Invocations over which the one cold start of a move away from `reference` is spread;
    /// infinite when moves are not to be counted.
    pub calls_after_move: f64,
}
