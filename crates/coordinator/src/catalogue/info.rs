//! The catalogue in force as a metric.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use strata_chassis::Metrics;

use super::register::CatalogueRegister;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CatalogueLabels {
    catalogue: String,
    revision: String,
}

/// Registers the catalogue in force as a metric; it is read at each scrape.
pub(crate) fn expose(metrics: &Metrics, register: Arc<CatalogueRegister>) {
    metrics.with_registry(|registry| {
        let registry = registry.sub_registry_with_prefix("strata_coordinator");
        registry.register_collector(Box::new(InForce(register)));
    });
}

#[derive(Debug)]
struct InForce(Arc<CatalogueRegister>);

impl Collector for InForce {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let catalogue = self.0.in_force();
        let mut family = encoder.encode_descriptor(
            "catalogue_info",
            "The catalogue in force and the revision of its content; always 1",
            None,
            MetricType::Gauge,
        )?;
        let (name, revision) = (catalogue.name().to_owned(), catalogue.revision().to_owned());
        let labels = CatalogueLabels { catalogue: name, revision };
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
    }
}
