//! The time by which a caller wants its answer.

use std::time::{Duration, Instant};

use tonic::{Status, metadata::MetadataMap};

/// The header in which gRPC callers send their timeout.
pub(crate) const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The moment after which an answer is of no use to the caller.
///
/// Deadlines are ordered: `a.min(b)` is the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The moment itself, on this machine's monotonic clock.
    pub at: Instant,
}

impl Deadline {
    /// The deadline `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self::since(Instant::now(), timeout)
    }

    /// The deadline `timeout` after `start`, saturating at thirty years.
    pub(crate) fn since(start: Instant, timeout: Duration) -> Self {
        const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        Self { at: start.checked_add(timeout.min(FAR)).unwrap_or(start) }
    }

    /// The deadline of a call that arrived just now: its `grpc-timeout`, or `default` if the caller
    /// sent none, and never later than `cap` from now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the header is there and malformed.
    pub fn from_metadata(
        metadata: &MetadataMap,
        default: Duration,
        cap: Duration,
    ) -> Result<Self, Status> {
        let timeout = match metadata.get(GRPC_TIMEOUT) {
            None => default,
            Some(value) => parse_timeout(value.as_encoded_bytes()).ok_or_else(malformed)?,
        };
        Ok(Self::after(timeout.min(cap)))
    }

    /// The deadline of `request`, counted from its arrival at the server rather than from now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the `grpc-timeout` header is there and malformed.
    pub fn of<T>(
        request: &tonic::Request<T>,
        default: Duration,
        cap: Duration,
    ) -> Result<Self, Status> {
        match request.extensions().get::<Deadline>() {
            Some(arrived) => Ok((*arrived).min(Self::after(cap))),
            None => Self::from_metadata(request.metadata(), default, cap),
        }
    }

    /// The time left, zero once the deadline has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_past(&self) -> bool {
        Instant::now() >= self.at
    }

    /// The time left as a `grpc-timeout` value for the next hop, in microseconds or, if those are
    /// more than the eight digits gRPC allows, in milliseconds or seconds.
    #[must_use]
    pub fn header_value(&self) -> String {
        const DIGITS: u128 = 99_999_999;
        let left = self.remaining();
        match (left.as_micros(), left.as_millis()) {
            (us, _) if us <= DIGITS => format!("{us}u"),
            (_, ms) if ms <= DIGITS => format!("{ms}m"),
            _ => format!("{}S", u128::from(left.as_secs()).min(DIGITS)),
        }
    }
}

/// Whole microseconds of `duration`, at most what the contract's fields hold.
#[must_use]
pub fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The refusal of a malformed `grpc-timeout`.
pub(crate) fn malformed() -> Status {
    Status::invalid_argument(
        "grpc-timeout must be one to eight digits followed by one of H, M, S, m, u or n",
    )
}

/// Parses `TimeoutValue TimeoutUnit` of the gRPC over HTTP/2 protocol: one to eight ASCII digits
/// and a unit (hours, minutes, seconds, milli-, micro-, nanoseconds).
pub(crate) fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const DEFAULT: Duration = Duration::from_secs(1);
    const CAP: Duration = Duration::from_secs(10);

    fn metadata(value: &'static str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(GRPC_TIMEOUT, value.parse().unwrap());
        metadata
    }

    #[test]
    fn every_unit_is_read() {
        let read = |text: &str| parse_timeout(text.as_bytes());
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("4S"), Some(Duration::from_secs(4)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("6u"), Some(Duration::from_micros(6)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn malformed_timeouts_are_refused() {
        for text in ["", "5", "S", "-1S", "+1S", "1.5S", "123456789S", "1s", "1 S", "S1", "1SS"] {
            assert_eq!(parse_timeout(text.as_bytes()), None, "{text:?}");
        }
        let status = Deadline::from_metadata(&metadata("1.5S"), DEFAULT, CAP).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn absent_means_default_and_long_means_cap() {
        let absent = Deadline::from_metadata(&MetadataMap::new(), DEFAULT, CAP).unwrap();
        assert!(absent.remaining() <= DEFAULT && absent.remaining() > DEFAULT / 2);
        let long = Deadline::from_metadata(&metadata("99999999H"), DEFAULT, CAP).unwrap();
        assert!(long.remaining() <= CAP && long.remaining() > CAP / 2);
        assert!(Deadline::from_metadata(&metadata("0n"), DEFAULT, CAP).unwrap().is_past());
    }

    #[test]
    fn the_header_of_the_next_hop_reads_back() {
        for timeout in [Duration::from_millis(250), Duration::from_secs(500_000), CAP] {
            let header = Deadline::after(timeout).header_value();
            let read = parse_timeout(header.as_bytes()).unwrap();
            assert!(read <= timeout, "{header}");
            assert!(read + Duration::from_secs(5) > timeout, "{header}");
        }
    }
}
