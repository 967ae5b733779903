//! Waiting longer and longer between attempts to reconnect.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Exponential backoff with full jitter: the n-th wait is uniform in
/// `(0, min(max, initial * 2^n)]`.
///
/// Full jitter spreads the reconnects of many clients after a server came back; see "Exponential
/// Backoff And Jitter" (AWS Architecture Blog, 2015). The iterator never ends; call [`reset`] once
/// a connection has proved itself.
///
/// [`reset`]: Backoff::reset
#[derive(Debug, Clone)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    ceiling: Duration,
    state: u64,
}

impl Backoff {
    /// A backoff whose first wait is at most `initial` and whose every wait is at most `max`.
    #[must_use]
    pub fn new(initial: Duration, max: Duration) -> Self {
        // The standard library's hasher keys are random per process: a seed without a new dependency.
        Self::with_seed(initial, max, RandomState::new().build_hasher().finish())
    }

    fn with_seed(initial: Duration, max: Duration, seed: u64) -> Self {
        let initial = initial.max(Duration::from_millis(1));
        let max = max.max(initial);
        // xorshift stays at zero for ever if it starts there.
        Self { initial, max, ceiling: initial, state: seed | 1 }
    }

    /// Starts over: the next wait is at most the initial one again.
    pub fn reset(&mut self) {
        self.ceiling = self.initial;
    }

    /// The next time to wait; the one after may be twice as long.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.ceiling.mul_f64(self.unit());
        self.ceiling = self.ceiling.saturating_mul(2).min(self.max);
        delay.max(Duration::from_millis(1))
    }

    /// A uniform number in `[0, 1)` from Marsaglia's xorshift64: good enough to spread reconnects.
    fn unit(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // The upper 53 bits are all a f64 can hold.
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_delay())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const INITIAL: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(2);

    #[test]
    fn waits_stay_below_a_doubling_ceiling() {
        for seed in 0..200 {
            let mut ceiling = INITIAL;
            for delay in Backoff::with_seed(INITIAL, MAX, seed).take(12) {
                assert!(delay <= ceiling, "seed {seed}: {delay:?} above {ceiling:?}");
                assert!(delay >= Duration::from_millis(1));
                ceiling = (ceiling * 2).min(MAX);
            }
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let last = |seed: u64| Backoff::with_seed(INITIAL, MAX, seed * 7919).nth(9).unwrap();
        let waits: Vec<_> = (1..500u64).map(last).collect();
        assert!(waits.iter().any(|w| *w < MAX / 10));
        assert!(waits.iter().any(|w| *w > MAX / 10 * 9));
    }

    #[test]
    fn reset_returns_to_the_initial_ceiling() {
        let mut backoff = Backoff::new(INITIAL, MAX);
        let _ = backoff.by_ref().take(10).count();
        backoff.reset();
        assert!(backoff.next_delay() <= INITIAL);
    }
}
