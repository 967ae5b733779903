//! The threads that own the sessions of a model, one each.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::watch;

use super::{
    batcher::Answer,
    priority,
    queue::{Job, Queue},
};

/// A batcher, which its owner thread shares with callers that run a batch in place.
pub(super) type SharedBatcher = Mutex<dyn Answer>;

/// Starts the owner threads of one model and counts those that have not ended.
pub(super) struct Owners {
    queue: Arc<Queue>,
    alive: Arc<watch::Sender<usize>>,
    nice: u8,
}

impl Owners {
    /// Threads that take from `queue` at the nice value `nice`.
    pub(super) fn new(queue: Arc<Queue>, nice: u8) -> Self {
        Self { queue, alive: Arc::new(watch::channel(0).0), nice }
    }

    /// The number of threads that have not ended.
    pub(super) fn alive(&self) -> watch::Receiver<usize> {
        self.alive.subscribe()
    }

    /// Starts a thread that answers jobs until the queue is closed and empty.
    pub(super) fn spawn(&self, name: String, batcher: Arc<SharedBatcher>) -> std::io::Result<()> {
        let (alive, nice) = (Alive::new(self), self.nice);
        thread::Builder::new().name(name).spawn(move || {
            // Moved in here to be dropped before `alive`: who waits for the end of the thread wants
            // the session gone, too.
            let batcher = batcher;
            priority::lower(nice);
            serve(&batcher, &alive.queue);
        })?;
        Ok(())
    }
}

fn serve(batcher: &SharedBatcher, queue: &Queue) {
    let mut jobs: Vec<Job> = Vec::new();
    while queue.take(&mut jobs) {
        // A panic leaves nothing half-done in a batcher: it clears its buffers before each use.
        batcher.lock().unwrap_or_else(PoisonError::into_inner).answer(&mut jobs);
    }
}

/// Counts an owner thread for as long as it lives, also when it panics.
struct Alive {
    queue: Arc<Queue>,
    count: Arc<watch::Sender<usize>>,
}

impl Alive {
    fn new(owners: &Owners) -> Self {
        owners.alive.send_modify(|alive| *alive += 1);
        Self { queue: Arc::clone(&owners.queue), count: Arc::clone(&owners.alive) }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.count.send_modify(|alive| {
            *alive -= 1;
            if *alive == 0 {
                // No thread is left to answer the jobs that may still wait.
                self.queue.abandon();
            }
        });
    }
}
