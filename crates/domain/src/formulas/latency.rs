//! How long bytes are on the way between callers and a placement.

/// Bytes TCP sends before it waits for the first acknowledgement: ten segments of 1460 bytes (RFC
/// 6928).
const INITIAL_WINDOW_BYTES: f64 = 14_600.0;

/// Time in ms one invocation spends on the network over a connection that is already open: one
/// round trip, and one more for each doubling of the congestion window that a message larger than
/// the initial window needs (slow start).
pub fn network_ms(round_trip_ms: f64, request_bytes: f64, response_bytes: f64) -> f64 {
    round_trip_ms * (1.0 + extra_round_trips(request_bytes) + extra_round_trips(response_bytes))
}

/// Round trips beyond the first: after `n` of them, slow start has sent `2^(n+1) - 1` initial
/// windows.
fn extra_round_trips(bytes: f64) -> f64 {
    let windows = bytes.max(0.0) / INITIAL_WINDOW_BYTES;
    if windows <= 1.0 { 0.0 } else { ((windows + 1.0).log2().ceil() - 1.0).min(64.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_take_one_round_trip_and_large_ones_slow_start() {
        assert_eq!(network_ms(100.0, 500.0, 14_600.0), 100.0);
        // 30 kB is 2.05 windows: 1 + 2 of them are sent after one more round trip.
        assert_eq!(network_ms(100.0, 500.0, 30_000.0), 200.0);
        // 100 kB is 6.8 windows: 1 + 2 + 4.
        assert_eq!(network_ms(100.0, 500.0, 100_000.0), 300.0);
        assert_eq!(network_ms(100.0, f64::NAN, -5.0), 100.0);
    }
}
