//! What came of the comparisons with a version in the shadow.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Rows that may wait for their comparison; more are skipped, so that a slow shadow holds no memory
/// and delays nobody.
const ROOM: usize = 2048;

/// What a version did in the shadow since it was loaded.
#[derive(Debug)]
pub(crate) struct Tally {
    outcomes: Mutex<Outcomes>,
    room: Arc<Semaphore>,
    used: AtomicBool,
}

/// Rows by what came of their comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outcomes {
    /// Compared, with the same answer.
    pub(crate) agreed: u64,
    /// Compared, with another answer.
    pub(crate) differed: u64,
    /// Not compared.
    pub(crate) skipped: u64,
    /// Sum over the rows compared of the largest difference of a score.
    pub(crate) difference: f64,
}

impl Default for Tally {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(ROOM));
        Self { outcomes: Mutex::default(), room, used: AtomicBool::new(false) }
    }
}

impl Tally {
    /// So far; `None` if it has never been in the shadow.
    pub(crate) fn read(&self) -> Option<Outcomes> {
        let outcomes = *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        self.used.load(Ordering::Relaxed).then_some(outcomes)
    }

    pub(super) fn add(&self, more: Outcomes) {
        self.used.store(true, Ordering::Relaxed);
        // Sums of numbers: a panic elsewhere cannot have left them half-done.
        let mut sum = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        sum.agreed += more.agreed;
        sum.differed += more.differed;
        sum.skipped += more.skipped;
        sum.difference += more.difference;
    }

    pub(super) fn skip(&self, rows: usize) {
        self.add(Outcomes { skipped: rows as u64, ..Outcomes::default() });
    }

    /// Room for so many rows, until it is dropped.
    pub(super) fn reserve(&self, rows: usize) -> Option<OwnedSemaphorePermit> {
        let rows = u32::try_from(rows).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(rows).ok()
    }
}
