//! Times given on the command line.

use std::time::Duration;

/// Longer than anybody waits here, and short enough for `grpc-timeout` and any clock.
const MAX: Duration = Duration::from_hours(1);

/// Reads a time above zero and of at most an hour, such as `500ms` or `1m 30s`.
///
/// # Errors
/// In words, when it is something else.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() || time > MAX {
        return Err("must be above 0 and at most 1h".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_the_most() {
        assert_eq!(parse("1us"), Ok(Duration::from_micros(1)));
        assert_eq!(parse("1h"), Ok(MAX));
        for time in ["0s", "1h 1ns", "100000000000y"] {
            assert_eq!(parse(time).unwrap_err(), "must be above 0 and at most 1h", "{time}");
        }
        for nonsense in ["", "soon", "-1s", "99999999999999999999y"] {
            parse(nonsense).unwrap_err();
        }
    }
}
