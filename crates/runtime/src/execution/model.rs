use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use super::{
    batch::{Batch, InferError, Inference},
    layout::RowLayout,
    owner::SharedBatcher,
    provider::ExecutionProvider,
    queue::{Job, Queue},
    runs::{RunCounters, Runs},
};
use crate::repository::Manifest;

/// A running model: a cheap handle to the threads that own its sessions.
///
/// Rows that wait while a run is under way are gathered into the next run, callers in turns; no row
/// waits for a batch to fill unless a delay is set. When the last handle is dropped, the rows that
/// were accepted are still answered, then the threads end.
#[derive(Clone)]
pub struct Model {
    shared: Arc<Shared>,
}

/// What all handles of a model share.
pub(super) struct Shared {
    pub(super) manifest: Manifest,
    pub(super) provider: ExecutionProvider,
    pub(super) layout: Arc<RowLayout>,
    pub(super) queue: Arc<Queue>,
    pub(super) runs: Arc<RunCounters>,
    /// Owned by their threads, so that they are gone with them.
    pub(super) batchers: Vec<Weak<SharedBatcher>>,
    /// Owner threads that have not ended.
    pub(super) threads: watch::Receiver<usize>,
}

/// The longest expected run for which [`Model::infer_in_place`] holds up an async task: a few times
/// what two hand-overs between threads take.
const IN_PLACE: Duration = Duration::from_micros(250);

type Answered = oneshot::Receiver<Result<Inference, InferError>>;

impl Model {
    pub(super) fn new(shared: Shared) -> Model {
        Model { shared: Arc::new(shared) }
    }

    /// The manifest that the model was started with.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.shared.manifest
    }

    /// The execution provider in use: [`ExecutionProvider::Cpu`] or [`ExecutionProvider::Cuda`].
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
    /// future takes back the rows that have not been run yet.
    ///
    /// # Errors
    /// [`InferError`]; a full queue refuses at once.
    pub fn infer(
        &self,
        batch: Batch,
    ) -> impl Future<Output = Result<Inference, InferError>> + Send + use<> {
        self.infer_for(0, batch)
    }

    /// [`Model::infer`] on behalf of a caller, for which any number may stand. Callers whose rows
    /// wait take turns, and none may have more than `caller_rows` rows waiting.
    ///
    /// # Errors
    /// [`InferError`]; a full queue refuses at once, and so it does a batch of which no row would
    /// be run before its deadline.
    pub fn infer_for(
        &self,
        caller: u64,
        batch: Batch,
    ) -> impl Future<Output = Result<Inference, InferError>> + Send + use<> {
        let submitted = self.submit(caller, batch);
        async move { submitted?.await.unwrap_or(Err(InferError::Stopped)) }
    }

    /// Runs a batch on the calling thread, which may be that of an async task.
    ///
    /// A queued batch is handed to an owner thread and its answer is handed back. While a model has
    /// little to do, these two hand-overs take longer than the run itself. A batch is run in place
    /// if that delays no other one:
    ///
    /// - The run is expected to take at most 250 us, because it blocks the async thread.
    /// - No rows wait, so that the batch overtakes none, and an owner thread sleeps, so that a
    ///   session is free. If another caller takes the session first, the batch is given back:
    ///   nobody waits for a session here.
    /// - Neither `max_delay` nor `nice` is set: rows are to wait for others then, or to run at the
    ///   priority of the owner threads.
    ///
    /// # Errors
    /// The batch, if one of these does not hold: give it to [`Model::infer`].
    pub fn infer_in_place(&self, batch: Batch) -> Result<Result<Inference, InferError>, Batch> {
        let runs = &self.shared.runs;
        let expected = match (batch.rows, batch.extents.iter().max()) {
            (1, None) => runs.mean_of_one(),
            (rows, _) if rows > runs.max_batch() => None,
            (rows, None) => runs.run_time().predict(1, rows),
            (rows, Some(extent)) => runs.run_time().at_most(rows.saturating_mul(*extent)),
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
                let (answer, mut answered) = oneshot::channel();
                let job = Job { batch, caller: 0, enqueued: Instant::now(), answer };
                batcher.answer(&mut vec![job]);
                return Ok(answered.try_recv().unwrap_or(Err(InferError::Stopped)));
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

    /// [`Model::stop`], then waits until every batch that was accepted is answered and the threads
    /// have ended.
    pub async fn drain(&self) {
        self.stop();
        self.ended().await;
    }

    /// Completes when the threads have ended and the sessions are gone. The future holds no handle:
    /// once all handles are dropped, it completes when every batch that was accepted is answered.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut threads = self.shared.threads.clone();
        async move {
            // An error means that the last thread is gone, too.
            let _ = threads.wait_for(|alive| *alive == 0).await;
        }
    }

    fn submit(&self, caller: u64, batch: Batch) -> Result<Answered, InferError> {
        self.check(&batch).map_or(Ok(()), |fault| Err(InferError::Shape(fault)))?;
        let (answer, answered) = oneshot::channel();
        self.shared.queue.push(Job { batch, caller, enqueued: Instant::now(), answer })?;
        Ok(answered)
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
        if let Some(fault) = self.check_extents(batch) {
            return Some(fault);
        }
        for (index, (values, width)) in batch.inputs.iter().zip(&layout.inputs).enumerate() {
            let (count, what) = match width.on_axis {
                true => (batch.positions(), "positions"),
                false => (batch.rows, "rows"),
            };
            if count.checked_mul(width.values) != Some(values.len()) {
                return Some(format!(
                    "input `{}` needs {count} {what} of {} values, it has {} values",
                    manifest.inputs[index].name,
                    width.values,
                    values.len()
                ));
            }
        }
        if let Some(axis) = &layout.axis
            && let Some(odd) = batch.inputs[axis.mask].iter().find(|&&v| v != 0.0 && v != 1.0)
        {
            let mask = &manifest.inputs[axis.mask].name;
            return Some(format!("the mask `{mask}` holds {odd}, it must hold 0 and 1 only"));
        }
        let deadlines = batch.deadlines.len();
        (deadlines != 0 && deadlines != batch.rows)
            .then(|| format!("{} rows need as many deadlines or none, not {deadlines}", batch.rows))
    }

    /// What is wrong with the extents of the rows, if anything.
    fn check_extents(&self, batch: &Batch) -> Option<String> {
        let (rows, extents) = (batch.rows, &batch.extents);
        let Some(axis) = &self.shared.manifest.axis else {
            let count = extents.len();
            return (count != 0).then(|| {
                format!("the model has no axis, so that no row has an extent, not {count}")
            });
        };
        let name = &axis.name;
        if extents.len() != rows {
            let count = extents.len();
            return Some(format!("{rows} rows need as many extents on `{name}`, not {count}"));
        }
        let odd = extents.iter().find(|extent| !(1..=axis.max).contains(*extent));
        odd.map(|extent| {
            format!("a row has {extent} positions on `{name}`, it must have 1 to {}", axis.max)
        })
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
