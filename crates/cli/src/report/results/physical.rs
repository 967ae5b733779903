//! The outcomes of decisions in dollars, milliseconds and grams.

use strata_simulator::Decided;

use super::ratio::ratio;

const MILLION: f64 = 1e6;
const MINUTES_PER_DAY: f64 = 1440.0;

/// Physical figures of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Physical {
    /// USD per million calls, weighted by calls.
    pub(crate) usd_per_million: f64,
    /// Median latency over the sampled runs.
    pub(crate) p50_ms: f64,
    /// 95th percentile of the latency over the sampled runs.
    pub(crate) p95_ms: f64,
    /// gCO2e per million calls, weighted by calls.
    pub(crate) gco2e_per_million: f64,
    /// Mean over decisions of the share of calls slower than the SLA.
    pub(crate) sla_violation_rate: f64,
    /// Mean over decisions of the share of calls that started cold.
    pub(crate) cold_start_rate: f64,
    /// Moves per function and day.
    pub(crate) moves_per_day: f64,
}

impl Physical {
    /// The figures of decisions about `functions` functions over `minutes`.
    pub(crate) fn of(decided: &[Decided], minutes: usize, functions: usize) -> Self {
        let sum = |value: fn(&Decided) -> f64| decided.iter().map(value).sum::<f64>();
        let calls = sum(|d| f64::from(d.outcome.calls));
        let cost = sum(|d| f64::from(d.outcome.calls) * d.outcome.cost.get());
        let carbon = sum(|d| f64::from(d.outcome.calls) * d.outcome.carbon.get());
        let count = decided.len() as f64;
        let mut samples: Vec<f32> =
            decided.iter().flat_map(|d| d.outcome.sample_latency_ms).collect();
        samples.sort_unstable_by(f32::total_cmp);
        let days = minutes as f64 / MINUTES_PER_DAY;
        Self {
            usd_per_million: MILLION * ratio(cost, calls),
            p50_ms: quantile(&samples, 0.50),
            p95_ms: quantile(&samples, 0.95),
            gco2e_per_million: MILLION * ratio(carbon, calls),
            sla_violation_rate: ratio(sum(|d| d.outcome.sla_violation_rate), count),
            cold_start_rate: ratio(sum(|d| d.outcome.cold_start_rate), count),
            moves_per_day: ratio(
                sum(|d| f64::from(u8::from(d.outcome.moved))),
                functions as f64 * days,
            ),
        }
    }
}

/// The nearest-rank quantile of sorted values; 0 without values.
fn quantile(sorted: &[f32], level: f64) -> f64 {
    let rank = (level * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().map_or(0.0, f64::from)
}
