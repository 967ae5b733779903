mod prepared;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

pub use self::prepared::{Prepared, StartError};
use crate::batch::{Batch, InferError, Inference};
use crate::batcher::{RowLayout, SharedBatcher};
use crate::files::ModelFiles;
use crate::library::OnnxRuntime;
use crate::manifest::Manifest;
use crate::options::ModelOptions;
use crate::provider::ExecutionProvider;
use crate::queue::{Job, Queue};
use crate::runs::{RunCounters, Runs};

/// A running model: a cheap handle to the threads that own its sessions.
///
/// Rows of all callers that wait while a run is under way are gathered into the next one, callers in
/// turns; nothing waits to fill a batch unless a delay is set. When the last handle is gone, what was accepted is still answered,
/// then the threads end.
#[derive(Clone)]
pub struct Model {
    shared: Arc<Shared>,
}

struct Shared {
    manifest: Manifest,
    provider: ExecutionProvider,
    layout: RowLayout,
    queue: Arc<Queue>,
    runs: Arc<RunCounters>,
    /// Held by their owner threads, and so gone with them.
    batchers: Vec<Weak<SharedBatcher>>,
    /// Owner threads that have not ended.
    threads: watch::Receiver<usize>,
}

/// The longest time that a run is expected to take for which an async task is held up instead of handing
/// the rows over: some times what two hand-overs take.
const IN_PLACE: Duration = Duration::from_micros(250);

impl Model {
    /// Opens the sessions, compares the graph with the manifest, warms up and starts the threads.
    /// It blocks for as long as that takes (milliseconds for a small model).
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(
        runtime: &OnnxRuntime,
        files: ModelFiles,
        options: &ModelOptions,
    ) -> Result<Model, StartError> {
        Prepared::open(runtime, files, options)?.start()
    }

    /// What the model is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.shared.manifest
    }

    /// The execution provider really used: [`ExecutionProvider::Cpu`] or
    /// [`ExecutionProvider::Cuda`].
    #[must_use]
    pub fn execution_provider(&self) -> ExecutionProvider {
        self.shared.provider
    }

    /// Most rows in one run of the graph.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.shared.runs.max_batch()
    }

    /// The runs since the start, by the number of their rows, ascending; the warm-up is left out.
    #[must_use]
    pub fn runs(&self) -> Vec<Runs> {
        self.shared.runs.read()
    }

    /// Rows waiting to be run.
    #[must_use]
    pub fn queued_rows(&self) -> usize {
        self.shared.queue.rows()
    }

    /// Runs a batch. It is queued by this call, not when the future is first polled; dropping the
    /// future takes back what has not been run yet.
    ///
    /// # Errors
    /// [`InferError`]; a full queue is refused at once.
    pub fn infer(
        &self,
        batch: Batch,
    ) -> impl Future<Output = Result<Inference, InferError>> + Send + use<> {
        self.infer_for(0, batch)
    }

    /// [`Model::infer`] on behalf of a caller, whichever number stands for it: callers whose rows wait take turns, and none may have more
    /// than `caller_rows` of them.
    ///
    /// # Errors
    /// [`InferError`]; a full queue is refused at once, and so are rows of which none would be run before its deadline.
    pub fn infer_for(
        &self,
        caller: u64,
        batch: Batch,
    ) -> impl Future<Output = Result<Inference, InferError>> + Send + use<> {
        let submitted = self.submit(caller, batch);
        async move { submitted?.await.unwrap_or(Err(InferError::Stopped)) }
    }

    /// Runs a batch on the calling thread, if a session is idle and runs of so many rows are short enough
    /// that an async task may do so. It saves two hand-overs between threads.
    ///
    /// # Errors
    /// The batch, if it should be given to [`Model::infer`] instead.
    pub fn infer_in_place(&self, batch: Batch) -> Result<Result<Inference, InferError>, Batch> {
        let runs = &self.shared.runs;
        let expected = match batch.rows {
            1 => runs.mean_of_one(),
            rows if rows <= runs.max_batch() => runs.cost().of(1, rows),
            _ => None,
        };
        let short = expected.is_some_and(|time| time <= IN_PLACE);
        if !short || !self.shared.queue.is_idle() {
            return Err(batch);
        }
        if let Some(fault) = self.check(&batch) {
            return Ok(Err(InferError::Shape(fault)));
        }
        for batcher in self.shared.batchers.iter().filter_map(Weak::upgrade) {
            if let Ok(mut batcher) = batcher.try_lock() {
                let (answer, mut receiver) = oneshot::channel();
                let job = Job { batch, caller: 0, enqueued: Instant::now(), answer };
                batcher.answer(&mut vec![job]);
                return Ok(receiver.try_recv().unwrap_or(Err(InferError::Stopped)));
            }
        }
        Err(batch)
    }

    /// [`Model::infer`] for callers without an async runtime, such as a training run.
    ///
    /// # Errors
    /// As [`Model::infer`].
    ///
    /// # Panics
    /// When called from async code, which it would block.
    pub fn infer_blocking(&self, batch: Batch) -> Result<Inference, InferError> {
        self.submit(0, batch)?.blocking_recv().unwrap_or(Err(InferError::Stopped))
    }

    /// Refuses new batches from now on, for all handles. Those accepted are still answered.
    pub fn stop(&self) {
        self.shared.queue.close();
    }

    /// [`Model::stop`], then waits until everything accepted is answered and the threads have
    /// ended.
    pub async fn drain(&self) {
        self.stop();
        self.ended().await;
    }

    /// Completes when the threads have ended and the sessions are gone. It holds no handle: drop all of
    /// those, and this tells when everything accepted is answered.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut threads = self.shared.threads.clone();
        async move {
            // An error means that the last thread is gone, too.
            let _ = threads.wait_for(|alive| *alive == 0).await;
        }
    }

    fn submit(
        &self,
        caller: u64,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<Inference, InferError>>, InferError> {
        self.check(&batch).map_or(Ok(()), |fault| Err(InferError::Shape(fault)))?;
        let (answer, receiver) = oneshot::channel();
        self.shared.queue.push(Job { batch, caller, enqueued: Instant::now(), answer })?;
        Ok(receiver)
    }

    /// What is wrong with the batch's sizes, if anything.
    fn check(&self, batch: &Batch) -> Option<String> {
        let Shared { manifest, layout, .. } = &*self.shared;
        if batch.rows == 0 {
            return Some("it has no rows".to_owned());
        }
        if batch.inputs.len() != layout.inputs.len() {
            let (want, got) = (layout.inputs.len(), batch.inputs.len());
            return Some(format!("the model has {want} inputs, the batch {got}"));
        }
        for (index, (values, width)) in batch.inputs.iter().zip(&layout.inputs).enumerate() {
            if batch.rows.checked_mul(*width) != Some(values.len()) {
                return Some(format!(
                    "input `{}` needs {} rows of {width} values, it has {} values",
                    manifest.inputs[index].name,
                    batch.rows,
                    values.len()
                ));
            }
        }
        let deadlines = batch.deadlines.len();
        (deadlines != 0 && deadlines != batch.rows)
            .then(|| format!("{} rows need as many deadlines or none, not {deadlines}", batch.rows))
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.shared.manifest.name)
            .field("version", &self.shared.manifest.version)
            .field("execution_provider", &self.shared.provider)
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// An owner thread's presence. Dropped after the thread's session, also when it panics.
struct Presence {
    queue: Arc<Queue>,
    alive: Arc<watch::Sender<usize>>,
}

impl Presence {
    fn enter(queue: &Arc<Queue>, alive: &Arc<watch::Sender<usize>>) -> Presence {
        alive.send_modify(|alive| *alive += 1);
        Presence { queue: Arc::clone(queue), alive: Arc::clone(alive) }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.alive.send_modify(|alive| {
            *alive -= 1;
            if *alive == 0 {
                // Nobody is left to answer what may still wait.
                self.queue.abandon();
            }
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
