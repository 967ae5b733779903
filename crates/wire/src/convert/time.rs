//! Timestamps.

use std::fmt;

use prost_types::Timestamp;
use strata_domain::UtcTime;

use crate::Violations;

/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// Reads the time from a timestamp, to the second; adds a violation of `field` outside of the years
/// 1970 to 9999.
pub fn time_from_pb(
    timestamp: &Timestamp,
    field: impl fmt::Display,
    violations: &mut Violations,
) -> Option<UtcTime> {
    if !(0..=999_999_999).contains(&timestamp.nanos) {
        violations.add(
            field,
            format_args!("must have 0 to 999,999,999 nanoseconds, has {}", timestamp.nanos),
        );
        return None;
    }
    if !(0..=LAST_SECOND).contains(&timestamp.seconds) {
        violations.add(
            field,
            format_args!("must be in the years 1970 to 9999, is {} s", timestamp.seconds),
        );
        return None;
    }
    Some(UtcTime::from_unix_seconds(timestamp.seconds))
}

/// Writes a time to a timestamp.
pub const fn time_to_pb(time: UtcTime) -> Timestamp {
    Timestamp { seconds: time.unix_seconds(), nanos: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_outside_the_calendar_are_refused() {
        let mut violations = Violations::new();
        let mut check = |seconds, nanos| {
            time_from_pb(&Timestamp { seconds, nanos }, "at", &mut violations).is_some()
        };
        assert!(check(0, 0) && check(LAST_SECOND, 999_999_999));
        assert!(!check(-1, 0) && !check(LAST_SECOND + 1, 0) && !check(0, -1));
        assert!(!check(i64::MAX, i32::MAX) && !check(0, 1_000_000_000));
    }
}
