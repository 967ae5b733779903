//! How long runs take: a fixed time, and a time for each row.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The weight of a run shrinks by this factor with each later one: about the last 50 count.
const DECAY: f64 = 0.98;
/// Runs before the first prediction: the first runs of a process are slow.
const ENOUGH: u64 = 32;

/// Fits run time = fixed + per-row cost over the last 50 runs of a version, by exponentially
/// weighted least squares.
#[derive(Debug, Default)]
pub(super) struct RunTime {
    sums: Mutex<Sums>,
    seen: AtomicU64,
    /// Nanoseconds of a run, however many rows it has.
    fixed: AtomicU64,
    /// Nanoseconds of each row.
    per_row: AtomicU64,
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

    /// Intercept and slope, neither below zero. The slope is zero where all runs had about as many
    /// rows: rows must not be refused because of a slope that is not known.
    fn line(&self) -> (f64, f64) {
        let spread = self.weight * self.rows_squared - self.rows * self.rows;
        let slope = if spread > 1e-3 * self.rows * self.rows {
            let together = self.weight * self.rows_nanos - self.rows * self.nanos;
            // A row costs no more than the mean run time divided by the mean number of rows.
            (together / spread).clamp(0.0, self.nanos / self.rows)
        } else {
            0.0
        };
        ((self.nanos - slope * self.rows) / self.weight, slope)
    }
}

impl RunTime {
    /// Adds a run to the fit.
    pub(super) fn add(&self, rows: usize, time: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(rows as f64, time.as_nanos() as f64);
        let (fixed, per_row) = sums.line();
        // Under the lock, so that both come from the same run. A reader takes no lock and may see
        // one of them from the run before.
        self.fixed.store(fixed.max(0.0) as u64, Ordering::Relaxed);
        self.per_row.store(per_row as u64, Ordering::Relaxed);
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    /// How long `runs` runs take one after another that have `rows` rows in all. `None` until
    /// enough runs were added.
    pub(super) fn predict(&self, runs: usize, rows: usize) -> Option<Duration> {
        if self.seen.load(Ordering::Relaxed) < ENOUGH {
            return None;
        }
        let fixed = self.fixed.load(Ordering::Relaxed).saturating_mul(runs as u64);
        let rows = self.per_row.load(Ordering::Relaxed).saturating_mul(rows as u64);
        Some(Duration::from_nanos(fixed.saturating_add(rows)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn micros(run_time: &RunTime, rows: usize) -> u128 {
        // Rounded: the fit is one of floating point numbers.
        (run_time.predict(1, rows).unwrap().as_nanos() + 500) / 1000
    }

    #[test]
    fn a_line_is_found_and_followed() {
        let run_time = RunTime::default();
        for rows in (1..=64).cycle().take(300) {
            run_time.add(rows, Duration::from_micros(50 + 10 * rows as u64));
        }
        assert_eq!((micros(&run_time, 1), micros(&run_time, 64)), (60, 690));
        let two_runs = run_time.predict(2, 128);
        assert_eq!(two_runs.map(|time| (time.as_nanos() + 500) / 1000), Some(1380));
        for rows in (1..=64).cycle().take(600) {
            run_time.add(rows, Duration::from_micros(100 + 20 * rows as u64));
        }
        assert_eq!(micros(&run_time, 10), 300);
    }

    #[test]
    fn nothing_is_predicted_of_a_few_runs_and_no_more_than_was_seen_of_one_size() {
        let run_time = RunTime::default();
        for _ in 0..31 {
            run_time.add(1, Duration::from_micros(80));
        }
        assert_eq!(run_time.predict(1, 1), None);
        run_time.add(1, Duration::from_micros(80));
        assert_eq!((micros(&run_time, 1), micros(&run_time, 64)), (80, 80));
    }
}
