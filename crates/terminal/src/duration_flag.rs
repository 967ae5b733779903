//! Durations given on the command line.

use std::time::Duration;

/// Longer than any command waits, and short enough for `grpc-timeout` and any clock.
const MAX: Duration = Duration::from_hours(1);

/// Parses a duration above zero and of at most one hour, such as `500ms` or `1m 30s`.
///
/// # Errors
/// The reason, as a sentence for clap, when `text` is anything else.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() || duration > MAX {
        return Err("must be above 0 and at most 1h".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_the_most() {
        assert_eq!(parse_duration("1us"), Ok(Duration::from_micros(1)));
        assert_eq!(parse_duration("1h"), Ok(MAX));
        for time in ["0s", "1h 1ns", "100000000000y"] {
            let error = parse_duration(time).unwrap_err();
            assert_eq!(error, "must be above 0 and at most 1h", "{time}");
        }
        for nonsense in ["", "soon", "-1s", "99999999999999999999y"] {
            parse_duration(nonsense).unwrap_err();
        }
    }
}
