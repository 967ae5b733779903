//! The release in force as a metric.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use strata_chassis::Metrics;

use super::register::Register;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReleaseLabels {
    release: String,
    strategic: u32,
    tactical: u32,
    operational: u32,
}

/// Registers the release in force as a metric; it is read at each scrape.
pub(crate) fn expose(metrics: &Metrics, releases: Arc<Register>) {
    metrics.with_registry(|registry| {
        let registry = registry.sub_registry_with_prefix("strata_coordinator");
        registry.register_collector(Box::new(InForce(releases)));
    });
}

#[derive(Debug)]
struct InForce(Arc<Register>);

impl Collector for InForce {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(release) = self.0.in_force() else { return Ok(()) };
        let mut family = encoder.encode_descriptor(
            "release_info",
            "The release in force and its versions; always 1, and absent without one",
            None,
            MetricType::Gauge,
        )?;
        let [strategic, tactical, operational] = release.versions();
        let release = release.name().to_owned();
        let labels = ReleaseLabels { release, strategic, tactical, operational };
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
    }
}
