use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::batch::{Batch, InferError, Inference};

/// A batch on its way to an owner thread.
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) enqueued: Instant,
    pub(crate) answer: oneshot::Sender<Result<Inference, InferError>>,
}

/// Jobs waiting for the owner threads of one model, bounded in rows. All threads share it.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    limit: usize,
}

struct State {
    jobs: VecDeque<Job>,
    rows: usize,
    /// Threads asleep in [`Queue::take`]: without one, nobody needs to be woken.
    idle: usize,
    open: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Queue {
        let state = State { jobs: VecDeque::new(), rows: 0, idle: 0, open: true };
        Queue { state: Mutex::new(state), filled: Condvar::new(), limit }
    }

    /// Rows waiting.
    pub(crate) fn rows(&self) -> usize {
        self.lock().rows
    }

    /// Whether nothing waits, a thread sleeps, and jobs are still taken.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.open && state.idle > 0 && state.jobs.is_empty()
    }

    /// Takes a job in, or refuses it at once; never waits for room.
    pub(crate) fn push(&self, job: Job) -> Result<(), InferError> {
        let rows = job.batch.rows;
        if rows > self.limit {
            return Err(InferError::TooManyRows { rows, limit: self.limit });
        }
        let mut state = self.lock();
        if !state.open {
            return Err(InferError::Stopped);
        }
        if state.rows + rows > self.limit {
            return Err(InferError::QueueFull { limit: self.limit });
        }
        state.rows += rows;
        state.jobs.push_back(job);
        let sleeping = state.idle > 0;
        drop(state);
        if sleeping {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for a job, then takes it and whatever else waits as long as all fits in `max_rows`;
    /// a first job larger than that comes alone. Never waits for more. False: closed and empty.
    pub(crate) fn take(&self, max_rows: usize, jobs: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if !state.open {
                return false;
            }
            state.idle += 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        let mut taken = 0;
        while let Some(job) = state.jobs.front() {
            if taken > 0 && taken + job.batch.rows > max_rows {
                break;
            }
            taken += job.batch.rows;
            jobs.extend(state.jobs.pop_front());
        }
        state.rows -= taken;
        true
    }

    /// Refuses new jobs; those accepted are still handed out.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.filled.notify_all();
    }

    /// Refuses new jobs and drops those that wait, which answers their callers.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut state = self.lock();
        state.rows = 0;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
    }

    /// No code that can panic runs under this lock, so a poisoned one still holds a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
