//! A model with its statistics. The rows of every protocol run through a [`Runner`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use strata_chassis::{micros, trace};
use strata_runtime::{Batch, InferError, Inference, Model, Policy, RowStatus};
use strata_wire::pb;
use tracing::Span;

use crate::metrics::LayerMetrics;

/// A cheap handle on a model with its statistics.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    model: Model,
    metrics: LayerMetrics,
    batches: Arc<Batches>,
}

impl Runner {
    pub(crate) fn new(model: Model, metrics: LayerMetrics) -> Self {
        Self { model, metrics, batches: Arc::default() }
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) fn batches(&self) -> &Batches {
        &self.batches
    }

    /// Runs a batch and counts it.
    pub(crate) async fn run(&self, batch: Batch, source: Source) -> Result<Inference, InferError> {
        let (arrived, rows) = (Instant::now(), batch.rows);
        let queued = match source.alone {
            true => self.model.infer_in_place(batch),
            false => Err(batch),
        };
        let result = match queued {
            Ok(result) => result,
            Err(batch) => self.model.infer_for(source.caller, batch).await,
        };
        let taken = arrived.elapsed();
        match &result {
            Ok(inference) => {
                self.metrics.ran(inference);
                self.batches.answered(inference, taken);
            }
            Err(error) => {
                self.metrics.turned_away(error, rows);
                self.batches.failed.add(taken);
            }
        }
        result
    }

    /// The report of a run whose request arrived at `arrived`.
    pub(crate) fn report(&self, inference: &Inference, arrived: Instant) -> Report {
        let manifest = self.model.manifest();
        let waited = arrived.elapsed().saturating_sub(inference.run);
        Report {
            model: manifest.name.clone(),
            version: manifest.version,
            policy: manifest.policy.map_or("", Policy::name),
            queue_us: micros(waited.min(inference.queue)),
            run_us: micros(inference.run),
            batch_size: u32::try_from(inference.batch_size).unwrap_or(u32::MAX),
        }
    }
}

/// Access to the versions of a model as raw tensors, without the layer's semantics.
pub(crate) trait Runners: Send + Sync + 'static {
    /// The version with the largest share of the traffic.
    fn stable(&self) -> Runner;

    /// A loaded version.
    fn version(&self, number: u32) -> Option<Runner>;

    /// Every loaded version, ascending.
    fn loaded(&self) -> Vec<Runner>;
}

/// The origin of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    /// The number of the caller's connection; waiting rows of different callers take turns.
    pub(crate) caller: u64,
    /// Whether no other request is in progress, so that the rows may run on the calling thread.
    pub(crate) alone: bool,
}

/// The report of a run, for the answer and its span.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    model: String,
    version: u32,
    policy: &'static str,
    batch_size: u32,
    queue_us: u32,
    run_us: u32,
}

impl Report {
    /// Writes the report to the span of a request to `layer`.
    pub(crate) fn annotate(&self, layer: &'static str, span: &Span) {
        if span.is_disabled() {
            return;
        }
        trace::record(span, "strata.layer", layer);
        trace::record(span, "strata.model.name", self.model.clone());
        trace::record(span, "strata.model.version", i64::from(self.version));
        trace::record(span, "strata.batch.size", i64::from(self.batch_size));
        trace::record(span, "strata.queue.time_us", i64::from(self.queue_us));
        trace::record(span, "strata.run.time_us", i64::from(self.run_us));
    }
}

impl From<Report> for pb::Inference {
    fn from(report: Report) -> Self {
        let Report { model, version, policy, batch_size, queue_us, run_us } = report;
        Self { model, version, queue_us, run_us, batch_size, policy: policy.to_owned() }
    }
}

/// A number of events and the time they took.
#[derive(Debug, Default)]
pub(crate) struct Total {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Total {
    fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of events and their total time in nanoseconds.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.nanos.load(Ordering::Relaxed))
    }
}

/// Statistics of the batches since the model was loaded.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// Batches in which every row was answered.
    pub(crate) succeeded: Total,
    /// Batches in which at least one row was not answered.
    pub(crate) failed: Total,
    /// Time in the queue, of the batches that succeeded.
    pub(crate) queue: Total,
    /// Run time, of the batches that succeeded.
    pub(crate) run: Total,
    /// The time of the last success, in milliseconds since 1970; 0 means no batch has succeeded.
    last_ms: AtomicU64,
}

impl Batches {
    fn answered(&self, inference: &Inference, taken: Duration) {
        if inference.rows.iter().any(|row| *row != RowStatus::Done) {
            self.failed.add(taken);
            return;
        }
        self.succeeded.add(taken);
        self.queue.add(inference.queue);
        self.run.add(inference.run);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The time of the last success, in milliseconds since 1970; 0 means no batch has succeeded.
    pub(crate) fn last_ms(&self) -> u64 {
        self.last_ms.load(Ordering::Relaxed)
    }
}
