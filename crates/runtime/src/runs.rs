use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cost::Cost;

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

/// What the owner threads of one model have run since it was started, without the warm-up: a pair of
/// counters for every size a batch can have, so that counting takes no lock.
#[derive(Debug)]
pub(crate) struct RunCounters {
    /// At index `rows - 1`.
    sizes: Vec<Counter>,
    cost: Cost,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl RunCounters {
    /// Counters of runs of at most `max_batch` rows.
    pub(crate) fn new(max_batch: usize) -> RunCounters {
        let sizes = (0..max_batch).map(|_| Counter::default()).collect();
        RunCounters { sizes, cost: Cost::default() }
    }

    /// Most rows in a run.
    pub(crate) fn max_batch(&self) -> usize {
        self.sizes.len()
    }

    /// What runs take, as the latest say.
    pub(crate) fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Counts a run.
    pub(crate) fn add(&self, rows: usize, time: Duration) {
        let Some(counter) = rows.checked_sub(1).and_then(|index| self.sizes.get(index)) else {
            return;
        };
        self.cost.add(rows, time);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // Figures for people: a reader may see one of the two a moment before the other.
        counter.nanos.fetch_add(nanos, Ordering::Relaxed);
        counter.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The mean time of a run of one row; nothing before the first.
    pub(crate) fn mean_of_one(&self) -> Option<Duration> {
        let one = self.sizes.first()?;
        let count = one.count.load(Ordering::Relaxed);
        let nanos = one.nanos.load(Ordering::Relaxed);
        nanos.checked_div(count).map(Duration::from_nanos)
    }

    /// The sizes that were run, ascending.
    pub(crate) fn read(&self) -> Vec<Runs> {
        let runs = self.sizes.iter().enumerate().map(|(index, counter)| Runs {
            rows: index + 1,
            count: counter.count.load(Ordering::Relaxed),
            time: Duration::from_nanos(counter.nanos.load(Ordering::Relaxed)),
        });
        runs.filter(|runs| runs.count > 0).collect()
    }
}
