//! The recent calls of a function.

use strata_domain::RecentGaps;

use crate::{Violations, pb};

/// Reads the idle time and the gaps from the message at path `field`; adds a violation for each
/// wrong value.
pub fn calls_from_pb(
    calls: &pb::CallHistory,
    field: &str,
    violations: &mut Violations,
) -> (Option<f64>, RecentGaps) {
    let range = 0.0..=f64::MAX;
    let idle = format_args!("{field}.idle_seconds");
    let idle_seconds = violations.optional_number(idle, calls.idle_seconds, range);
    let (most, count) = (RecentGaps::MOST, calls.gap_seconds.len());
    if count > most {
        let range = format_args!("must be at most {most}, are {count}");
        violations.add(format_args!("{field}.gap_seconds"), range);
        return (idle_seconds, RecentGaps::default());
    }
    let gaps = calls.gap_seconds.iter().enumerate().map(|(index, gap)| {
        let field = format_args!("{field}.gap_seconds[{index}]");
        violations.number(field, f64::from(*gap), 0.0..=f64::MAX)
    });
    (idle_seconds, gaps.collect())
}

/// Writes an idle time and gaps to a message; `None` when nothing is known.
pub fn calls_to_pb(idle_seconds: Option<f64>, gaps: &RecentGaps) -> Option<pb::CallHistory> {
    let gap_seconds = gaps.as_slice().to_vec();
    let known = idle_seconds.is_some() || !gap_seconds.is_empty();
    known.then_some(pb::CallHistory { idle_seconds, gap_seconds, ..Default::default() })
}
