//! What a run takes: so much, and so much more for each row.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What every run leaves of the weight of those before it: the last 50 decide.
const DECAY: f64 = 0.98;
/// Runs before which nothing is predicted: the first of a process are slow.
const ENOUGH: u64 = 32;

/// A running fit of a straight line to the times of runs, the latest of which weigh most.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    sums: Mutex<Sums>,
    seen: AtomicU64,
    /// Nanoseconds of a run, whatever its rows.
    fixed: AtomicU64,
    /// Nanoseconds of a row more.
    row: AtomicU64,
}

#[derive(Debug, Default)]
struct Sums {
    weight: f64,
    rows: f64,
    nanos: f64,
    rows_squared: f64,
    rows_nanos: f64,
}

impl Sums {
    fn add(&mut self, rows: f64, nanos: f64) {
        self.weight = self.weight * DECAY + 1.0;
        self.rows = self.rows * DECAY + rows;
        self.nanos = self.nanos * DECAY + nanos;
        self.rows_squared = self.rows_squared * DECAY + rows * rows;
        self.rows_nanos = self.rows_nanos * DECAY + rows * nanos;
    }

    /// Intercept and slope, neither below zero. Where all runs had about as many rows the slope is zero: what is not known must not refuse
    /// anybody.
    fn line(&self) -> (f64, f64) {
        let spread = self.weight * self.rows_squared - self.rows * self.rows;
        let slope = if spread > 1e-3 * self.rows * self.rows {
            let together = self.weight * self.rows_nanos - self.rows * self.nanos;
            // More than rows one by one would take is no cost of a batch.
            (together / spread).clamp(0.0, self.nanos / self.rows)
        } else {
            0.0
        };
        ((self.nanos - slope * self.rows) / self.weight, slope)
    }
}

impl Cost {
    /// Learns from a run.
    pub(crate) fn add(&self, rows: usize, time: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(rows as f64, time.as_nanos() as f64);
        let (fixed, row) = sums.line();
        // Under the lock, so that both are of the same moment for the next writer; a reader may see one of them a run earlier.
        self.fixed.store(fixed.max(0.0) as u64, Ordering::Relaxed);
        self.row.store(row as u64, Ordering::Relaxed);
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    /// How long `runs` runs of `rows` rows together take one after another; nothing before enough were seen.
    pub(crate) fn of(&self, runs: usize, rows: usize) -> Option<Duration> {
        if self.seen.load(Ordering::Relaxed) < ENOUGH {
            return None;
        }
        let fixed = self.fixed.load(Ordering::Relaxed).saturating_mul(runs as u64);
        let more = self.row.load(Ordering::Relaxed).saturating_mul(rows as u64);
        Some(Duration::from_nanos(fixed.saturating_add(more)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn micros(cost: &Cost, rows: usize) -> u128 {
        // Rounded: the fit is one of floating point numbers.
        (cost.of(1, rows).unwrap().as_nanos() + 500) / 1000
    }

    #[test]
    fn a_line_is_found_and_followed() {
        let cost = Cost::default();
        for rows in (1..=64).cycle().take(300) {
            cost.add(rows, Duration::from_micros(50 + 10 * rows as u64));
        }
        assert_eq!((micros(&cost, 1), micros(&cost, 64)), (60, 690));
        assert_eq!(cost.of(2, 128).map(|time| (time.as_nanos() + 500) / 1000), Some(1380));
        for rows in (1..=64).cycle().take(600) {
            cost.add(rows, Duration::from_micros(100 + 20 * rows as u64));
        }
        assert_eq!(micros(&cost, 10), 300);
    }

    #[test]
    fn nothing_is_predicted_of_a_few_runs_and_no_more_than_was_seen_of_one_size() {
        let cost = Cost::default();
        for _ in 0..31 {
            cost.add(1, Duration::from_micros(80));
        }
        assert_eq!(cost.of(1, 1), None);
        cost.add(1, Duration::from_micros(80));
        assert_eq!((micros(&cost, 1), micros(&cost, 64)), (80, 80));
    }
}
