//! How long runs take: a fixed time, and a time for each position of their rows. A row of a model
//! without an axis has one position.

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

/// Fits run time = fixed + per-position cost over the last 50 runs of a version, by exponentially
/// weighted least squares.
#[derive(Debug, Default)]
pub(super) struct RunTime {
    sums: Mutex<Sums>,
    seen: AtomicU64,
    /// Nanoseconds of a run, however many positions it has.
    fixed: AtomicU64,
    /// Nanoseconds of each position.
    per_position: AtomicU64,
    /// The mean time of a run divided by its mean number of positions, in nanoseconds.
    mean_per_position: AtomicU64,
}

#[derive(Debug, Default)]
struct Sums {
    weight: f64,
    positions: f64,
    nanos: f64,
    positions_squared: f64,
    positions_nanos: f64,
}

impl Sums {
    fn add(&mut self, positions: f64, nanos: f64) {
        self.weight = self.weight * DECAY + 1.0;
        self.positions = self.positions * DECAY + positions;
        self.nanos = self.nanos * DECAY + nanos;
        self.positions_squared = self.positions_squared * DECAY + positions * positions;
        self.positions_nanos = self.positions_nanos * DECAY + positions * nanos;
    }

    /// Intercept and slope, neither below zero. The slope is zero where all runs had about as many
    /// positions: rows must not be refused because of a slope that is not known.
    fn line(&self) -> (f64, f64) {
        let spread = self.weight * self.positions_squared - self.positions * self.positions;
        let slope = if spread > 1e-3 * self.positions * self.positions {
            let together = self.weight * self.positions_nanos - self.positions * self.nanos;
            // A position costs no more than the mean.
            (together / spread).clamp(0.0, self.mean())
        } else {
            0.0
        };
        ((self.nanos - slope * self.positions) / self.weight, slope)
    }

    /// The mean run time divided by the mean number of positions.
    fn mean(&self) -> f64 {
        self.nanos / self.positions
    }
}

impl RunTime {
    /// Adds a run to the fit.
    pub(super) fn add(&self, positions: usize, time: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(positions as f64, time.as_nanos() as f64);
        let (fixed, per_position) = sums.line();
        // Under the lock, so that all come from the same run. A reader takes no lock and may see
        // one of them from the run before.
        self.fixed.store(fixed.max(0.0) as u64, Ordering::Relaxed);
        self.per_position.store(per_position as u64, Ordering::Relaxed);
        self.mean_per_position.store(sums.mean() as u64, Ordering::Relaxed);
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    /// How long `runs` runs take one after another that have `positions` positions in all. `None`
    /// until enough runs were added.
    pub(super) fn predict(&self, runs: usize, positions: usize) -> Option<Duration> {
        if self.seen.load(Ordering::Relaxed) < ENOUGH {
            return None;
        }
        let fixed = self.fixed.load(Ordering::Relaxed).saturating_mul(runs as u64);
        let each = self.per_position.load(Ordering::Relaxed).saturating_mul(positions as u64);
        Some(Duration::from_nanos(fixed.saturating_add(each)))
    }

    /// A bound on how long one run takes that has many more positions than the latest ones: what
    /// [`Self::predict`] says, and no less than if no part of the time were fixed.
    pub(super) fn at_most(&self, positions: usize) -> Option<Duration> {
        let mean = self.mean_per_position.load(Ordering::Relaxed);
        let all = Duration::from_nanos(mean.saturating_mul(positions as u64));
        self.predict(1, positions).map(|predicted| predicted.max(all))
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
    fn a_run_larger_than_all_before_is_not_taken_for_a_short_one() {
        let run_time = RunTime::default();
        for _ in 0..31 {
            run_time.add(5, Duration::from_micros(50));
        }
        assert_eq!(run_time.at_most(1), None);
        run_time.add(5, Duration::from_micros(50));
        let at_most = |positions| run_time.at_most(positions).unwrap().as_micros();
        assert_eq!((at_most(1), at_most(5)), (50, 50));
        // The slope is not known.
        assert_eq!((micros(&run_time, 4096), at_most(4096)), (50, 40_960));
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
