//! Runs rows of the same process: on the calling thread while no other row is in progress,
//! otherwise in batches that a task gathers.

use std::sync::Arc;

use strata_chassis::{FairReceiver, FairSender, InFlight, fair_channel, settle};
use tokio::sync::{Semaphore, oneshot};

use super::{
    faults::{lost, queue_full},
    service::{Asked, Service},
};
use crate::adapter::{Adapter, RowResult};

/// The caller number of rows from the same process, which have no connection. The gathering queue
/// already serves the coordinator's callers in turn.
const SAME_PROCESS: u64 = 0;

/// Maximum number of rows in a batch, as in the frames of a remote coordinator.
const ROWS: usize = 64;

/// A row, and the sender for its answer.
struct Job<A: Adapter> {
    asked: Asked<A>,
    answer: oneshot::Sender<RowResult<A>>,
}

/// Accepts rows of this process. Rows accepted before it is dropped are still answered.
pub(crate) struct Gatherer<A: Adapter> {
    service: Service<A>,
    rows: FairSender<Job<A>>,
    /// Rows in progress.
    asking: InFlight,
}

impl<A: Adapter> Gatherer<A> {
    /// Accepts at most `queue_rows` waiting rows, and starts the task that gathers batches for
    /// `sessions` sessions.
    pub(crate) fn start(service: Service<A>, queue_rows: usize, sessions: usize) -> Self {
        let (rows, queue) = fair_channel(queue_rows);
        tokio::spawn(gather(service.clone(), queue, sessions));
        Self { service, rows, asking: InFlight::default() }
    }

    /// Answers a row of a caller; waiting rows of different callers take turns.
    pub(crate) async fn ask(&self, asked: Asked<A>, caller: u64, alone: bool) -> RowResult<A> {
        let asking = self.asking.begin();
        if !alone {
            settle().await;
        }
        if asking.is_alone() {
            let mut answers = self.service.answer(vec![asked], SAME_PROCESS).await;
            return answers.pop().unwrap_or_else(|| Err(lost()));
        }
        let (answer, answered) = oneshot::channel();
        if self.rows.try_send(caller, Job { asked, answer }).is_err() {
            return Err(queue_full(self.rows.limit(), A::NAME));
        }
        answered.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// Answers rows until the queue is closed, with as many batches in progress as the model has
/// sessions. A batch does not wait to fill; rows that arrive while all sessions are busy form the
/// next one. One more batch in progress would only make all batches smaller: unlike a frame, it
/// does not spend time on the network.
async fn gather<A: Adapter>(service: Service<A>, mut queue: FairReceiver<Job<A>>, sessions: usize) {
    let permits = Arc::new(Semaphore::new(sessions));
    let mut gathered = Vec::with_capacity(ROWS);
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        if queue.recv_many(&mut gathered, ROWS).await == 0 {
            return;
        }
        // Drops the rows of callers who have left.
        let wanted = gathered.drain(..).filter(|job| !job.answer.is_closed());
        let (asked, answers): (Vec<_>, Vec<_>) =
            wanted.map(|Job { asked, answer }| (asked, answer)).unzip();
        if asked.is_empty() {
            continue;
        }
        let service = service.clone();
        tokio::spawn(async move {
            let results = service.answer(asked, SAME_PROCESS).await;
            drop(permit);
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(result);
            }
        });
    }
}
