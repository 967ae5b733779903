//! Prometheus metrics: one registry for each process, handed down.

pub(crate) mod definitions;
mod in_flight;
mod process;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use self::definitions as def;
use crate::{config::Binary, drain::Drain};

pub use self::definitions::SECONDS_BUCKETS;

/// The handle on a process's registry of metrics. Clones share the registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    pub(crate) connections: Gauge,
    pub(crate) spans_exported: Counter,
    pub(crate) spans_lost: Counter,
}

impl Metrics {
    /// A registry that holds the metrics every process has: resources, build, gRPC server, export
    /// of spans.
    #[must_use]
    pub fn new(binary: &Binary) -> Self {
        let mut registry = Registry::default();
        let (name, version) = (binary.name.to_owned(), binary.version.to_owned());
        registry
            .sub_registry_with_labels(
                [("binary".into(), name.into()), ("version".into(), version.into())].into_iter(),
            )
            .register(def::BUILD_INFO.name, def::BUILD_INFO.help, ConstGauge::new(1i64));
        registry.register_collector(Box::new(process::ProcessCollector));
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::default())),
            connections: Gauge::default(),
            spans_exported: Counter::default(),
            spans_lost: Counter::default(),
        };
        def::CONNECTIONS.register(&mut registry, metrics.connections.clone());
        def::SPANS_EXPORTED.register(&mut registry, metrics.spans_exported.clone());
        def::SPANS_LOST.register(&mut registry, metrics.spans_lost.clone());
        metrics.with_registry(|shared| *shared = registry);
        metrics
    }

    /// Registers metrics:
    /// `metrics.with_registry(|registry| registry.register(name, help, metric))`.
    /// Keep the metric itself; the registry is locked only here and while it is scraped.
    pub fn with_registry<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        // A panic while registering left a metric out at worst: the others are still true.
        register(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows the work that `drain` counts.
    pub(crate) fn watch(&self, drain: &Drain) {
        let collector = in_flight::InFlight(drain.clone());
        self.with_registry(|registry| registry.register_collector(Box::new(collector)));
    }

    /// All metrics as OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let encoded = self.with_registry(|registry| encode(&mut text, registry));
        if let Err(error) = encoded {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const BINARY: Binary =
        Binary { name: "probe", about: "", env_prefix: "STRATA_PROBE", version: "1.2.3" };

    #[test]
    fn the_text_names_the_build_and_the_process() {
        let text = Metrics::new(&BINARY).encode();
        let build = "strata_build_info{binary=\"probe\",version=\"1.2.3\"} 1\n";
        assert!(text.contains(build), "{text}");
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn clones_share_the_registry() {
        let metrics = Metrics::new(&BINARY);
        let counter: Counter = Counter::default();
        metrics.clone().with_registry(|r| r.register("rows", "Rows", counter.clone()));
        counter.inc();
        assert!(metrics.encode().contains("rows_total 1\n"));
    }
}
