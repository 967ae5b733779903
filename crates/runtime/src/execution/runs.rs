use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::run_time::RunTime;

/// How often the graph ran on batches of one size, and how long that took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Rows in each of these runs.
    pub rows: usize,
    /// How many runs there were.
    pub count: u64,
    /// Time in the graph, over all of them.
    pub time: Duration,
}

/// Counts the runs of one model since it was started, without the warm-up. Every size that a batch
/// can have has counters of its own, so that counting takes no lock.
#[derive(Debug)]
pub(super) struct RunCounters {
    /// At index `rows - 1`.
    sizes: Vec<Counter>,
    run_time: RunTime,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl RunCounters {
    /// Counters of runs of at most `max_batch` rows.
    pub(super) fn new(max_batch: usize) -> RunCounters {
        let sizes = (0..max_batch).map(|_| Counter::default()).collect();
        RunCounters { sizes, run_time: RunTime::default() }
    }

    /// Most rows in a run.
    pub(super) fn max_batch(&self) -> usize {
        self.sizes.len()
    }

    /// How long the latest runs took, by their positions: the time of a row grows with its extent.
    pub(super) fn run_time(&self) -> &RunTime {
        &self.run_time
    }

    /// Counts a run whose rows have so many positions together, without padding.
    pub(super) fn add(&self, rows: usize, positions: usize, time: Duration) {
        let Some(counter) = rows.checked_sub(1).and_then(|index| self.sizes.get(index)) else {
            return;
        };
        self.run_time.add(positions, time);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // For metrics only: a reader may see one of the two before the other.
        counter.nanos.fetch_add(nanos, Ordering::Relaxed);
        counter.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The mean time of a run of one row. `None` before the first.
    pub(super) fn mean_of_one(&self) -> Option<Duration> {
        let one = self.sizes.first()?;
        let count = one.count.load(Ordering::Relaxed);
        let nanos = one.nanos.load(Ordering::Relaxed);
        nanos.checked_div(count).map(Duration::from_nanos)
    }

    /// The sizes that were run, ascending.
    pub(super) fn read(&self) -> Vec<Runs> {
        let runs = self.sizes.iter().enumerate().map(|(index, counter)| Runs {
            rows: index + 1,
            count: counter.count.load(Ordering::Relaxed),
            time: Duration::from_nanos(counter.nanos.load(Ordering::Relaxed)),
        });
        runs.filter(|runs| runs.count > 0).collect()
    }
}
