//! Waiting longer and longer between attempts to reconnect.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Exponential backoff with equal jitter: the n-th wait is uniform in the upper half of
/// `[0, min(max, initial * 2^n)]`.
///
/// Jitter spreads the reconnects of many clients after a server came back; equal jitter also keeps
/// each of them from trying again at once. See "Exponential Backoff And Jitter" (AWS Architecture
/// Blog, 2015). Call [`reset`](Backoff::reset) once a connection has proved itself.
#[derive(Debug)]
pub struct Backoff {
    max: Duration,
    builder: ExponentialBuilder,
    waits: ExponentialBackoff,
}

impl Backoff {
    /// A backoff whose first wait is at most `initial` and whose every wait is at most `max`.
    #[must_use]
    pub fn new(initial: Duration, max: Duration) -> Self {
        let initial = initial.max(Duration::from_millis(1));
        let max = max.max(initial);
        // The jitter adds up to as much again.
        let builder = ExponentialBuilder::new()
            .with_min_delay(initial / 2)
            .with_max_delay(max / 2)
            .without_max_times()
            .with_jitter();
        Self { max, builder, waits: builder.build() }
    }

    /// Starts over: the next wait is at most the initial one again.
    pub fn reset(&mut self) {
        self.waits = self.builder.build();
    }

    /// The next time to wait; the one after may be twice as long.
    pub fn next_delay(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(2);

    fn waits(count: usize) -> Vec<Duration> {
        let mut backoff = Backoff::new(INITIAL, MAX);
        (0..count).map(|_| backoff.next_delay()).collect()
    }

    #[test]
    fn waits_stay_below_a_doubling_ceiling() {
        for _ in 0..200 {
            let mut ceiling = INITIAL;
            for delay in waits(12) {
                assert!(delay <= ceiling, "{delay:?} above {ceiling:?}");
                assert!(delay >= ceiling / 2, "{delay:?} below half of {ceiling:?}");
                ceiling = (ceiling * 2).min(MAX);
            }
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let waits: Vec<_> = (1..500).map(|_| waits(10)[9]).collect();
        assert!(waits.iter().any(|wait| *wait < MAX / 20 * 11));
        assert!(waits.iter().any(|wait| *wait > MAX / 20 * 19));
    }

    #[test]
    fn reset_returns_to_the_initial_ceiling() {
        let mut backoff = Backoff::new(INITIAL, MAX);
        for _ in 0..10 {
            let _ = backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= INITIAL);
    }

    #[test]
    fn a_wait_that_is_longer_than_the_longest_is_the_longest() {
        let mut backoff = Backoff::new(MAX, INITIAL);
        assert!(backoff.next_delay() <= MAX && backoff.next_delay() <= MAX);
    }
}
