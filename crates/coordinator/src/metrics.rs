//! The metrics of the coordinator. This file holds the name, unit and help of each.

use std::time::Duration;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::Unit,
};
use strata_chassis::Metrics;
use strata_domain::FaultKind;
use strata_wire::{Forecasting, Hop, Placing, Selecting};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    change: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LayerLabel {
    layer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpeculationLabels {
    layer: &'static str,
    outcome: &'static str,
}

/// The metrics of the coordinator.
#[derive(Debug, Clone)]
pub(crate) struct CoordinatorMetrics {
    ok: Counter,
    decisions: Family<CodeLabel, Counter>,
    decision_time: Histogram,
    hops: [(&'static str, Histogram); 3],
    links: Family<LayerLabel, Gauge>,
    /// Answers to speculative requests that were used, and those that were not, for the tactical
    /// and the operational layer.
    speculation: [(&'static str, [Counter; 2]); 2],
    release_changes: Family<ChangeLabels, Counter>,
}

/// 50 us to 1.6 s.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 16))
}

impl CoordinatorMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let decisions = Family::<CodeLabel, Counter>::default();
        let hop_times = Family::<LayerLabel, Histogram>::new_with_constructor(times);
        let hop = |layer| (layer, hop_times.get_or_create_owned(&LayerLabel { layer }));
        let speculation = Family::<SpeculationLabels, Counter>::default();
        let guesses = |layer| {
            let count =
                |outcome| speculation.get_or_create_owned(&SpeculationLabels { layer, outcome });
            (layer, [count("used"), count("wasted")])
        };
        let this = Self {
            speculation: [guesses(Placing::LAYER), guesses(Forecasting::LAYER)],
            ok: decisions.get_or_create_owned(&CodeLabel { code: "OK" }),
            decision_time: times(),
            hops: [hop(Selecting::LAYER), hop(Placing::LAYER), hop(Forecasting::LAYER)],
            links: Family::default(),
            release_changes: Family::default(),
            decisions,
        };
        metrics.with_registry(|registry| {
            let registry = registry.sub_registry_with_prefix("strata_coordinator");
            registry.register(
                "decisions",
                "Requests answered on Decide and DecideStream, by code",
                this.decisions.clone(),
            );
            registry.register_with_unit(
                "decision",
                "Time from a request's arrival to its answer",
                Unit::Seconds,
                this.decision_time.clone(),
            );
            registry.register_with_unit(
                "hop",
                "Time a layer took to answer, queues and network included",
                Unit::Seconds,
                hop_times,
            );
            registry.register(
                "speculation",
                "Rows that layers were asked ahead, by whether their answers were used",
                speculation,
            );
            registry.register("layer_links", "Streams to replicas that are up", this.links.clone());
            registry.register(
                "release_changes",
                "Changes of the release in force that were asked for, by outcome",
                this.release_changes.clone(),
            );
        });
        this
    }

    /// Registers the queue depths of the layers; `waiting` is read at each scrape.
    pub(crate) fn expose_queues(
        metrics: &Metrics,
        waiting: impl Fn() -> Waiting + Send + Sync + 'static,
    ) {
        metrics.with_registry(|registry| {
            let registry = registry.sub_registry_with_prefix("strata_coordinator");
            registry.register_collector(Box::new(QueueDepth(Box::new(waiting))));
        });
    }

    /// The number of streams to `layer` that are up.
    pub(crate) fn links(&self, layer: &'static str) -> Gauge {
        self.links.get_or_create_owned(&LayerLabel { layer })
    }

    /// Counts an answer and its fault, if it is one.
    pub(crate) fn decided(&self, elapsed: Duration, fault: Option<FaultKind>) {
        self.decision_time.observe(elapsed.as_secs_f64());
        match fault {
            None => self.ok.inc(),
            Some(kind) => self.decisions.get_or_create(&CodeLabel { code: kind.name() }).inc(),
        };
    }

    /// Counts a change of the release in force.
    pub(crate) fn release_changed(&self, change: &'static str, done: bool) {
        let outcome = if done { "done" } else { "refused" };
        self.release_changes.get_or_create(&ChangeLabels { change, outcome }).inc();
    }

    /// Counts a speculative row of `layer`.
    pub(crate) fn speculated(&self, layer: &'static str, used: bool) {
        if let Some((_, [yes, no])) = self.speculation.iter().find(|(name, _)| *name == layer) {
            if used {
                yes.inc()
            } else {
                no.inc()
            };
        }
    }

    /// Observes the time of a hop.
    pub(crate) fn hop(&self, layer: &'static str, elapsed: Duration) {
        if let Some((_, histogram)) = self.hops.iter().find(|(name, _)| *name == layer) {
            histogram.observe(elapsed.as_secs_f64());
        }
    }
}

/// Rows waiting to be sent, by layer.
pub(crate) type Waiting = [(&'static str, usize); 3];

struct QueueDepth(Box<dyn Fn() -> Waiting + Send + Sync>);

impl std::fmt::Debug for QueueDepth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueueDepth")
    }
}

impl Collector for QueueDepth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "queue_rows",
            "Rows waiting to be sent to a layer",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for (layer, waiting) in (self.0)() {
            let depth = ConstGauge::new(i64::try_from(waiting).unwrap_or(i64::MAX));
            depth.encode(family.encode_family(&LayerLabel { layer })?)?;
        }
        Ok(())
    }
}
