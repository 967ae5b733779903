//! What a layer counts: name, unit and help of every metric stand here.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Unit,
};
use strata_chassis::Metrics;
use strata_domain::FaultKind;
use strata_runtime::{Inference, Model};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    code: &'static str,
}

/// What a layer counts.
#[derive(Debug, Clone)]
pub(crate) struct LayerMetrics {
    rows: Counter,
    faults: Family<FaultLabel, Counter>,
    batch: Histogram,
    run: Histogram,
    queue: Histogram,
}

impl LayerMetrics {
    pub(crate) fn register(metrics: &Metrics, model: &Model) -> Self {
        // 10 us to 1.3 s.
        let times = || Histogram::new(exponential_buckets(10e-6, 2.0, 18));
        let this = Self {
            rows: Counter::default(),
            faults: Family::default(),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            run: times(),
            queue: times(),
        };
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
            registry.register_collector(Box::new(QueueDepth(model.clone())));
        });
        this
    }

    /// Counts a run of the model.
    pub(crate) fn ran(&self, inference: &Inference) {
        self.batch.observe(inference.batch_size as f64);
        self.run.observe(inference.run.as_secs_f64());
        self.queue.observe(inference.queue.as_secs_f64());
    }

    /// Counts an answer, and the fault it is.
    pub(crate) fn answered(&self, fault: Option<FaultKind>) {
        self.rows.inc();
        if let Some(kind) = fault {
            self.faults.get_or_create(&FaultLabel { code: kind.name() }).inc();
        }
    }
}

/// Reads the depth of the queue when it is asked for.
struct QueueDepth(Model);

impl std::fmt::Debug for QueueDepth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("QueueDepth").field(&self.0.queued_rows()).finish()
    }
}

impl Collector for QueueDepth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let depth = ConstGauge::new(i64::try_from(self.0.queued_rows()).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "queue_rows",
            "Rows waiting for the model",
            None,
            depth.metric_type(),
        )?;
        depth.encode(metric)
    }
}
