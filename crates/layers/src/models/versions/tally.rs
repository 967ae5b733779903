//! The outcomes of a shadow's comparisons.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of rows that wait for a comparison. The shadow skips the rest, so that a slow
/// shadow neither holds memory nor delays requests.
const ROOM: usize = 2048;

/// The outcomes of a version as a shadow since it was loaded.
#[derive(Debug)]
pub(crate) struct Tally {
    outcomes: Mutex<Outcomes>,
    room: Arc<Semaphore>,
    used: AtomicBool,
}

/// Rows by the outcome of their comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outcomes {
    /// Rows compared, with the same answer.
    pub(crate) agreed: u64,
    /// Rows compared, with another answer.
    pub(crate) differed: u64,
    /// Rows not compared.
    pub(crate) skipped: u64,
    /// Sum of the largest score difference of each row compared.
    pub(crate) difference: f64,
}

impl Default for Tally {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(ROOM));
        Self { outcomes: Mutex::default(), room, used: AtomicBool::new(false) }
    }
}

impl Tally {
    /// The outcomes so far; `None` if the version has never been a shadow.
    pub(crate) fn read(&self) -> Option<Outcomes> {
        let outcomes = *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        self.used.load(Ordering::Relaxed).then_some(outcomes)
    }

    pub(super) fn add(&self, more: Outcomes) {
        self.used.store(true, Ordering::Relaxed);
        // The lock guards plain sums: a panic cannot leave them half updated.
        let mut sum = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        sum.agreed += more.agreed;
        sum.differed += more.differed;
        sum.skipped += more.skipped;
        sum.difference += more.difference;
    }

    pub(super) fn skip(&self, rows: usize) {
        self.add(Outcomes { skipped: rows as u64, ..Outcomes::default() });
    }

    /// Reserves room for this many rows until the permit is dropped.
    pub(super) fn reserve(&self, rows: usize) -> Option<OwnedSemaphorePermit> {
        let rows = u32::try_from(rows).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(rows).ok()
    }
}
