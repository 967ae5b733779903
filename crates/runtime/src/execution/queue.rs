use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use strata_lanes::Lanes;
use tokio::sync::oneshot;

use super::{
    batch::{Batch, InferError, Inference},
    batcher::MAX_RUN_POSITIONS,
    options::ModelOptions,
    runs::RunCounters,
};

/// Rows that a caller may run in its turn. Few, so that the rows of many callers share a batch.
const QUANTUM: usize = 8;

/// A batch on its way to an owner thread.
pub(super) struct Job {
    pub(super) batch: Batch,
    /// Jobs of one caller stay in their order; callers take turns.
    pub(super) caller: u64,
    pub(super) enqueued: Instant,
    pub(super) answer: oneshot::Sender<Result<Inference, InferError>>,
}

/// Jobs that wait for the owner threads of one model, bounded in rows.
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    limits: Limits,
    /// The model's runs so far, to predict how long the next ones take.
    runs: Arc<RunCounters>,
}

struct Limits {
    rows: usize,
    caller_rows: usize,
    sessions: usize,
    max_delay: Duration,
    /// Whether only owner threads may run jobs.
    owners_only: bool,
}

struct State {
    /// One lane for each caller; a job costs its rows.
    jobs: Lanes<Job>,
    /// Positions of all rows that wait.
    positions: usize,
    /// Threads that sleep in [`Queue::take`]: if there are none, none needs to be woken.
    idle: usize,
    open: bool,
}

impl Queue {
    pub(super) fn new(options: &ModelOptions, runs: Arc<RunCounters>) -> Queue {
        let state = State { jobs: Lanes::new(QUANTUM), positions: 0, idle: 0, open: true };
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
    pub(super) fn rows(&self) -> usize {
        self.lock().jobs.cost()
    }

    /// Whether a caller may run a batch on its own thread: see `Model::infer_in_place`.
    pub(super) fn is_idle(&self) -> bool {
        if self.limits.owners_only {
            return false;
        }
        let state = self.lock();
        state.open && state.idle > 0 && state.jobs.is_empty()
    }

    /// Adds a job, or refuses it at once; never waits for room.
    pub(super) fn push(&self, job: Job) -> Result<(), InferError> {
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
        // A caller's only batch may always wait: its size has bounds of its own.
        if own > 0 && own + rows > limit {
            return Err(InferError::CallerFull { limit });
        }
        if let Some(patience) = patience {
            self.in_time(&state, &job, patience)?;
        }
        state.positions += job.batch.positions();
        state.jobs.push(job.caller, rows, job);
        let sleeping = state.idle > 0;
        drop(state);
        if sleeping {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Refuses a job that is predicted to run too late. If no job waits, none is refused.
    fn in_time(&self, state: &State, job: &Job, patience: Duration) -> Result<(), InferError> {
        let State { jobs, positions: waiting, .. } = state;
        if jobs.is_empty() {
            return Ok(());
        }
        let (rows, positions) = (job.batch.rows, job.batch.positions());
        // First as if all waiting rows went first, which is cheap to predict.
        let wait = self.predicted(jobs.cost() + rows, waiting + positions);
        if wait.is_none_or(|wait| wait <= patience) {
            return Ok(());
        }
        let ahead = jobs.ahead(job.caller, rows);
        // As if every waiting row had as many positions.
        let before = waiting.saturating_mul(ahead) / jobs.cost().max(1);
        match self.predicted(ahead + rows, before + positions) {
            Some(wait) if wait > patience => {
                Err(InferError::WouldBeLate { wait, retry_after: wait - patience })
            }
            _ => Ok(()),
        }
    }

    /// How long all sessions together need for `rows` rows with `positions` positions.
    fn predicted(&self, rows: usize, positions: usize) -> Option<Duration> {
        let sessions = self.limits.sessions;
        let by_rows = rows.div_ceil(self.runs.max_batch());
        let runs = by_rows.max(positions.div_ceil(MAX_RUN_POSITIONS));
        self.runs.run_time().predict(runs.div_ceil(sessions), positions.div_ceil(sessions))
    }

    /// Waits for a job, then moves the jobs that fit in one run to `jobs`, callers in turns. A job
    /// that is larger than a run comes alone. Waits for more jobs only if a delay is set. Returns
    /// false when the queue is closed and empty.
    pub(super) fn take(&self, jobs: &mut Vec<Job>) -> bool {
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
        let taken: usize = jobs.iter().map(|job| job.batch.positions()).sum();
        state.positions = state.positions.saturating_sub(taken);
        true
    }

    /// Waits until a run is full or the oldest job has waited for `max_delay`.
    fn delay<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.open && state.jobs.cost() < self.runs.max_batch() {
            let waited = state.jobs.heads().map(|job| job.enqueued.elapsed()).max();
            let left = waited.and_then(|waited| self.limits.max_delay.checked_sub(waited));
            // There is no oldest job if another thread has taken them all.
            let Some(left) = left.filter(|left| !left.is_zero()) else { return state };
            state.idle += 1;
            let woken = self.filled.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
        state
    }

    /// Refuses new jobs; those accepted are still handed out.
    pub(super) fn close(&self) {
        self.lock().open = false;
        self.filled.notify_all();
    }

    /// Refuses new jobs and drops those that wait: their callers get [`InferError::Stopped`].
    pub(super) fn abandon(&self) {
        self.close();
        let mut state = self.lock();
        state.positions = 0;
        let jobs = mem::replace(&mut state.jobs, Lanes::new(QUANTUM));
        drop(state);
        drop(jobs);
    }

    /// No code that can panic runs under this lock, so a poisoned one still holds a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time until the latest deadline of a job's rows: a row with an earlier one may expire, but
/// its batch is not refused for it. `None` if a row has no deadline. Also `None` if all deadlines
/// have passed, because the job is then answered without a run.
fn latest(job: &Job) -> Option<Duration> {
    let (first, others) = job.batch.deadlines.split_first()?;
    let latest =
        others.iter().try_fold((*first)?, |latest, other| other.map(|at| at.max(latest)))?;
    latest.checked_duration_since(job.enqueued).filter(|left| !left.is_zero())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
