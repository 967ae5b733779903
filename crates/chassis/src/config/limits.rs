//! Limits that sections share.

use std::time::Duration;

use super::error::Invalid;

/// Longer than any wait on a connection makes sense, and short enough to be added to any clock.
const MAX_TIME: Duration = Duration::from_hours(24);

/// Refuses a time that is over before anything can happen, or that never is.
pub(crate) fn check_time(name: &str, time: Duration) -> Result<(), Invalid> {
    if time.is_zero() || time > MAX_TIME {
        return Err(Invalid::new(name, "must be above zero and at most 24h"));
    }
    Ok(())
}
