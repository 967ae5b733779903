//! Rows of the same process: run where they are while nobody else asks, gathered into batches while
//! others do.

use std::sync::Arc;

use strata_chassis::{FairReceiver, FairSender, InFlight, fair_channel, settle};
use tokio::sync::{Semaphore, oneshot};

use super::{
    faults::{lost, queue_full},
    service::{Asked, Service},
};
use crate::adapter::{Adapter, RowResult};

/// The coordinator of the same process comes on no connection, and lets its own callers take turns.
const SAME_PROCESS: u64 = 0;

/// Rows in a batch at most, as in the frames of a coordinator with streams.
const ROWS: usize = 64;

/// A row, and who waits for its answer.
struct Job<A: Adapter> {
    asked: Asked<A>,
    answer: oneshot::Sender<RowResult<A>>,
}

/// Takes in rows of this process. When it is dropped, what it took in is still answered.
pub(crate) struct Gatherer<A: Adapter> {
    service: Service<A>,
    rows: FairSender<Job<A>>,
    /// Rows that are not answered yet.
    asking: InFlight,
}

impl<A: Adapter> Gatherer<A> {
    /// Holds at most `queue_rows` rows, and starts the task that gathers them for that many
    /// sessions.
    pub(crate) fn start(service: Service<A>, queue_rows: usize, sessions: usize) -> Self {
        let (rows, queue) = fair_channel(queue_rows);
        tokio::spawn(gather(service.clone(), queue, sessions));
        Self { service, rows, asking: InFlight::default() }
    }

    /// Answers a row of a caller, whose rows take turns with those of others.
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

/// Answers rows until no more can come, as many batches at a time as the model has sessions.
/// Nothing waits for a batch to fill; what comes while all are in work is the next. One more would
/// only make all smaller: unlike a frame, it travels nowhere meanwhile.
async fn gather<A: Adapter>(service: Service<A>, mut queue: FairReceiver<Job<A>>, sessions: usize) {
    let places = Arc::new(Semaphore::new(sessions));
    let mut gathered = Vec::with_capacity(ROWS);
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        if queue.recv_many(&mut gathered, ROWS).await == 0 {
            return;
        }
        // Who left wants no answer.
        let wanted = gathered.drain(..).filter(|job| !job.answer.is_closed());
        let (asked, answers): (Vec<_>, Vec<_>) =
            wanted.map(|Job { asked, answer }| (asked, answer)).unzip();
        if asked.is_empty() {
            continue;
        }
        let service = service.clone();
        tokio::spawn(async move {
            let results = service.answer(asked, SAME_PROCESS).await;
            drop(place);
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(result);
            }
        });
    }
}
