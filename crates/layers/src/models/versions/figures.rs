//! Figures of each loaded version as metrics. Unloading a version removes its series, which bounds
//! their number.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, NoLabelSet},
    metrics::{MetricType, gauge::ConstGauge},
};
use strata_chassis::Metrics;

use super::tally::Outcomes;

/// Figures of a loaded version.
#[derive(Debug)]
pub(crate) struct VersionFigures {
    pub(crate) version: u32,
    /// Rows that wait in its queue.
    pub(crate) queued: usize,
    /// Rows that it ran since it was loaded.
    pub(crate) rows: u64,
    /// Its share of the traffic in percent.
    pub(crate) percent: u32,
    /// The outcomes of its comparisons, if it has ever been a shadow.
    pub(crate) shadow: Option<Outcomes>,
}

/// Registers the figures as metrics; `read` is called at each scrape.
pub(crate) fn expose(
    metrics: &Metrics,
    read: impl Fn() -> Vec<VersionFigures> + Send + Sync + 'static,
) {
    let collector = Box::new(Versions(Box::new(read)));
    metrics.with_registry(|registry| {
        registry.sub_registry_with_prefix("strata_layer").register_collector(collector);
    });
}

struct Versions(Box<dyn Fn() -> Vec<VersionFigures> + Send + Sync>);

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Versions").field(&(self.0)()).finish()
    }
}

impl Collector for Versions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = (self.0)();
        let queued: usize = figures.iter().map(|figures| figures.queued).sum();
        let depth = ConstGauge::new(i64::try_from(queued).unwrap_or(i64::MAX));
        let help = "Rows waiting for the model";
        depth.encode(encoder.encode_descriptor("queue_rows", help, None, MetricType::Gauge)?)?;
        let percents = figures.iter().map(|figures| (figures.version, i64::from(figures.percent)));
        let help = "Share of the traffic of each loaded version";
        gauges(&mut encoder, ("model_traffic_percent", help), percents)?;
        let rows = figures.iter().map(|figures| (figures.version, None, figures.rows));
        let help = "Rows run by each loaded version, those in the shadow included";
        counters(&mut encoder, ("model_rows", help), rows)?;
        let shadows: Vec<_> = figures
            .iter()
            .filter_map(|figures| figures.shadow.map(|outcomes| (figures.version, outcomes)))
            .collect();
        let outcomes = shadows.iter().flat_map(|(version, outcomes)| {
            [
                (*version, Some("agreed"), outcomes.agreed),
                (*version, Some("differed"), outcomes.differed),
                (*version, Some("skipped"), outcomes.skipped),
            ]
        });
        let help = "Rows of versions in the shadow by what came of their comparison";
        counters(&mut encoder, ("shadow_rows", help), outcomes)?;
        let means = shadows.iter().map(|(version, outcomes)| {
            let compared = (outcomes.agreed + outcomes.differed).max(1);
            (*version, outcomes.difference / compared as f64)
        });
        let help = "Mean over the rows compared of the largest difference of a score";
        gauges(&mut encoder, ("shadow_score_difference", help), means)
    }
}

fn gauges<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    values: impl Iterator<Item = (u32, N)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (version, value) in values {
        metric.encode_family(&[("version", version)])?.encode_gauge(&value)?;
    }
    Ok(())
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    values: impl Iterator<Item = (u32, Option<&'static str>, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (version, outcome, count) in values {
        let version = version.to_string();
        let mut labels = vec![("version", version.as_str())];
        labels.extend(outcome.map(|outcome| ("outcome", outcome)));
        let mut of_labels = metric.encode_family(&labels)?;
        of_labels.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}
