//! The metrics of a layer. This file holds the name, unit and help of each.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Unit,
};
use strata_chassis::Metrics;
use strata_domain::FaultKind;
use strata_runtime::{InferError, Inference};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Reasons for a refusal: the queue is full, the caller's part of the queue is full, or the rows
/// would run only after their deadline.
const REASONS: [&str; 3] = ["queue_full", "caller_full", "would_be_late"];

const LOADED: OutcomeLabel = OutcomeLabel { outcome: "loaded" };
const REFUSED: OutcomeLabel = OutcomeLabel { outcome: "refused" };

/// The metrics of a layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerMetrics {
    rows: Counter,
    faults: Family<FaultLabel, Counter>,
    batch: Histogram,
    run: Histogram,
    queue: Histogram,
    loads: Family<OutcomeLabel, Counter>,
    turned_away: Family<ReasonLabel, Counter>,
}

impl LayerMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        // 10 us to 1.3 s.
        let times = || Histogram::new(exponential_buckets(10e-6, 2.0, 18));
        let this = Self {
            rows: Counter::default(),
            faults: Family::default(),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            run: times(),
            queue: times(),
            loads: Family::default(),
            turned_away: Family::default(),
        };
        // Created at 0, so that the first refusal shows as an increase.
        drop(this.loads.get_or_create(&LOADED));
        drop(this.loads.get_or_create(&REFUSED));
        for reason in REASONS {
            drop(this.turned_away.get_or_create(&ReasonLabel { reason }));
        }
        metrics.with_registry(|registry| {
            let registry = registry.sub_registry_with_prefix("strata_layer");
            registry.register("rows_answered", "Rows answered, faults included", this.rows.clone());
            registry.register(
                "row_faults",
                "Rows answered by a fault, by code",
                this.faults.clone(),
            );
            registry.register(
                "batch_rows",
                "Rows in the run that answered a frame",
                this.batch.clone(),
            );
            registry.register_with_unit(
                "inference",
                "Time the model ran for a frame",
                Unit::Seconds,
                this.run.clone(),
            );
            registry.register_with_unit(
                "queue",
                "Time a frame waited for the model",
                Unit::Seconds,
                this.queue.clone(),
            );
            registry.register(
                "rows_turned_away",
                "Rows refused before they were queued for the model, by reason",
                this.turned_away.clone(),
            );
            registry.register(
                "model_loads",
                "Versions loaded, and refused because they cannot be served, by outcome",
                this.loads.clone(),
            );
        });
        this
    }

    /// Counts a run of the model.
    pub(crate) fn ran(&self, inference: &Inference) {
        self.batch.observe(inference.batch_size as f64);
        self.run.observe(inference.run.as_secs_f64());
        self.queue.observe(inference.queue.as_secs_f64());
    }

    /// Counts the rows of a batch that was refused because of the queue.
    pub(crate) fn turned_away(&self, error: &InferError, rows: usize) {
        let [queue_full, caller_full, late] = REASONS;
        let reason = match error {
            InferError::QueueFull { .. } | InferError::TooManyRows { .. } => queue_full,
            InferError::CallerFull { .. } => caller_full,
            InferError::WouldBeLate { .. } => late,
            _ => return,
        };
        self.turned_away.get_or_create(&ReasonLabel { reason }).inc_by(rows as u64);
    }

    /// Counts an answer and its fault, if it is one.
    pub(crate) fn answered(&self, fault: Option<FaultKind>) {
        self.rows.inc();
        if let Some(kind) = fault {
            self.faults.get_or_create(&FaultLabel { code: kind.name() }).inc();
        }
    }

    /// Counts a version that was loaded while the layer was serving.
    pub(crate) fn loaded(&self) {
        self.loads.get_or_create(&LOADED).inc();
    }

    /// Counts a version that could not be loaded.
    pub(crate) fn refused(&self) {
        self.loads.get_or_create(&REFUSED).inc();
    }
}
