//! Rows of the same process: run where they are while nobody else asks, gathered into batches while others do.

use std::sync::Arc;

use strata_chassis::{FairReceiver, FairSender, InFlight, fair_channel};
use strata_domain::FaultKind;
use strata_wire::Fault;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    adapter::Adapter,
    engine::{Asked, RETRY_AFTER, Service},
    frame::RowResult,
    runner::Company,
};

/// Rows in a batch at most, as in the frames of a coordinator with streams.
const ROWS: usize = 64;

/// A row, and who waits for its answer.
struct Job<A: Adapter> {
    asked: Asked<A::Request>,
    answer: oneshot::Sender<RowResult<A>>,
}

/// Where rows of this process are handed in. When it is dropped, what was handed in is still answered.
pub(crate) struct Desk<A: Adapter> {
    service: Service<A>,
    rows: FairSender<Job<A>>,
    /// Rows that are not answered yet.
    asking: InFlight,
}

impl<A: Adapter> Desk<A> {
    /// A desk at which at most `queue_rows` rows wait, and the task that gathers them for that many sessions.
    pub(crate) fn open(service: Service<A>, queue_rows: usize, sessions: usize) -> Self {
        let (rows, queue) = fair_channel(queue_rows);
        tokio::spawn(gather(service.clone(), queue, sessions));
        Self { service, rows, asking: InFlight::default() }
    }

    /// Answers a row of a caller, whose rows take turns with those of others.
    pub(crate) async fn ask(
        &self,
        asked: Asked<A::Request>,
        caller: u64,
        alone: bool,
    ) -> RowResult<A> {
        let _asking = self.asking.begin();
        // Whoever else is about to ask is counted before it is decided whether this one is alone.
        if !alone {
            tokio::task::yield_now().await;
        }
        if self.asking.is_one() {
            let mut answers = self.service.answer(vec![asked], Company::HERE).await;
            return answers.pop().unwrap_or_else(lost);
        }
        let (answer, answered) = oneshot::channel();
        if self.rows.try_send(caller, Job { asked, answer }).is_err() {
            let message = format!("{} rows wait for the {} layer", self.rows.limit(), A::NAME);
            let full = Fault::new(FaultKind::ResourceExhausted, message);
            return Err(full.retry_after(RETRY_AFTER));
        }
        answered.await.unwrap_or_else(|_| lost())
    }
}

/// Answers rows until no more can come, as many batches at a time as the model has sessions. Nothing waits for a batch to fill; what comes while
/// all are in work is the next. One more would only make all smaller: unlike a frame, it travels nowhere meanwhile.
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
            let results = service.answer(asked, Company::HERE).await;
            drop(place);
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(result);
            }
        });
    }
}

fn lost<R>() -> Result<R, Fault> {
    Err(Fault::new(FaultKind::Internal, "the question was lost"))
}
