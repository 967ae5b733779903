use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use strata_lanes::Lanes;
use tokio::sync::oneshot;

use crate::batch::{Batch, InferError, Inference};
use crate::options::ModelOptions;
use crate::runs::RunCounters;

/// Rows that a caller may run in its turn. Small beside a batch, so that many callers are in each.
const QUANTUM: usize = 8;

/// A batch on its way to an owner thread.
pub(crate) struct Job {
    pub(crate) batch: Batch,
    /// Whose it is: jobs of one caller stay in their order, those of different callers take turns.
    pub(crate) caller: u64,
    pub(crate) enqueued: Instant,
    pub(crate) answer: oneshot::Sender<Result<Inference, InferError>>,
}

/// Jobs waiting for the owner threads of one model, bounded in rows. All threads share it.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    limits: Limits,
    /// What the model has run, to predict what it will take.
    runs: Arc<RunCounters>,
}

struct Limits {
    rows: usize,
    caller_rows: usize,
    sessions: usize,
    max_delay: Duration,
    /// Whether rows are to be run by the owner threads alone: they wait there for others, or step back.
    owners_only: bool,
}

struct State {
    /// One lane for each caller; a job costs its rows.
    jobs: Lanes<Job>,
    /// Threads asleep in [`Queue::take`]: without one, nobody needs to be woken.
    idle: usize,
    open: bool,
}

impl Queue {
    pub(crate) fn new(options: &ModelOptions, runs: Arc<RunCounters>) -> Queue {
        let state = State { jobs: Lanes::new(QUANTUM), idle: 0, open: true };
        let limits = Limits {
            rows: options.queue_rows,
            caller_rows: options.caller_rows.unwrap_or(options.queue_rows),
            sessions: options.sessions.max(1),
            max_delay: options.max_delay,
            owners_only: !options.max_delay.is_zero() || options.nice > 0,
        };
        Queue { state: Mutex::new(state), filled: Condvar::new(), limits, runs }
    }

    /// Rows waiting.
    pub(crate) fn rows(&self) -> usize {
        self.lock().jobs.cost()
    }

    /// Whether nothing waits, a thread sleeps, jobs are still taken, and others than the owner threads may run them.
    pub(crate) fn is_idle(&self) -> bool {
        if self.limits.owners_only {
            return false;
        }
        let state = self.lock();
        state.open && state.idle > 0 && state.jobs.is_empty()
    }

    /// Takes a job in, or refuses it at once; never waits for room.
    pub(crate) fn push(&self, job: Job) -> Result<(), InferError> {
        let rows = job.batch.rows;
        let limit = self.limits.rows;
        if rows > limit {
            return Err(InferError::TooManyRows { rows, limit });
        }
        let patience = latest(&job);
        let mut state = self.lock();
        if !state.open {
            return Err(InferError::Stopped);
        }
        if state.jobs.cost() + rows > limit {
            return Err(InferError::QueueFull { limit });
        }
        let own = state.jobs.cost_of(job.caller);
        let limit = self.limits.caller_rows;
        // One batch may always wait: its size has bounds of its own.
        if own > 0 && own + rows > limit {
            return Err(InferError::CallerFull { limit });
        }
        if let Some(patience) = patience {
            self.in_time(&state.jobs, &job, patience)?;
        }
        state.jobs.push(job.caller, rows, job);
        let sleeping = state.idle > 0;
        drop(state);
        if sleeping {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Refuses a job that would be run too late, as far as is known. Never where nothing waits.
    fn in_time(&self, jobs: &Lanes<Job>, job: &Job, patience: Duration) -> Result<(), InferError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let rows = job.batch.rows;
        // First as if the job came last, which costs nothing to know.
        if self.predicted(jobs.cost() + rows).is_none_or(|wait| wait <= patience) {
            return Ok(());
        }
        match self.predicted(jobs.ahead(job.caller, rows) + rows) {
            Some(wait) if wait > patience => {
                Err(InferError::WouldBeLate { wait, retry_after: wait - patience })
            }
            _ => Ok(()),
        }
    }

    /// How long all sessions need for `rows` rows.
    fn predicted(&self, rows: usize) -> Option<Duration> {
        let sessions = self.limits.sessions;
        let runs = rows.div_ceil(self.runs.max_batch());
        self.runs.cost().of(runs.div_ceil(sessions), rows.div_ceil(sessions))
    }

    /// Waits for a job, then takes it and whatever else waits as long as all fits in one run, callers in turns;
    /// a first job larger than that comes alone. Waits for more only if a delay is set. False: closed and empty.
    pub(crate) fn take(&self, jobs: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if !state.open {
                return false;
            }
            state.idle += 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        if !self.limits.max_delay.is_zero() {
            state = self.delay(state);
        }
        state.jobs.take(self.runs.max_batch(), jobs);
        true
    }

    /// Waits until a run is full or the job that waits longest has waited as long as it may.
    fn delay<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.open && state.jobs.cost() < self.runs.max_batch() {
            let waited = state.jobs.heads().map(|job| job.enqueued.elapsed()).max();
            let left = waited.and_then(|waited| self.limits.max_delay.checked_sub(waited));
            // Another thread may have taken all there was.
            let Some(left) = left.filter(|left| !left.is_zero()) else { return state };
            state.idle += 1;
            let woken = self.filled.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
        state
    }

    /// Refuses new jobs; those accepted are still handed out.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.filled.notify_all();
    }

    /// Refuses new jobs and drops those that wait, which answers their callers.
    pub(crate) fn abandon(&self) {
        self.close();
        let jobs = std::mem::replace(&mut self.lock().jobs, Lanes::new(QUANTUM));
        drop(jobs);
    }

    /// No code that can panic runs under this lock, so a poisoned one still holds a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the most patient row of a job can wait. Nothing: as long as it takes, or not at all, which is told without a run anyway. A row
/// that is in more of a hurry than others of its batch costs them nothing: it expires.
fn latest(job: &Job) -> Option<Duration> {
    let (first, others) = job.batch.deadlines.split_first()?;
    let latest =
        others.iter().try_fold((*first)?, |latest, other| other.map(|at| at.max(latest)))?;
    latest.checked_duration_since(job.enqueued).filter(|left| !left.is_zero())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
