//! Builds the response of the contract from a provisioned question.

use std::time::Duration;

use strata_chassis::micros;
use strata_wire::{estimate_to_pb, pb, placement_to_pb};
use uuid::Uuid;

use super::chain::{HopReport, Placed, Provisioned, Routed};
use crate::releases::Release;

const MS_PER_SECOND: f64 = 1000.0;

/// Builds the response to a question whose chain is complete. `release` is the release that was in
/// force for it, if any.
pub(crate) fn answer(
    provisioned: Provisioned,
    release: Option<&Release>,
    elapsed: Duration,
) -> pb::DecideResponse {
    let Provisioned { placed, mut forecast, report: operational } = provisioned;
    let Placed { routed, placement, report: tactical } = placed;
    let Routed { question, report: strategic, .. } = routed;
    let candidates = &question.candidates;
    let catalogue = candidates.catalogue();
    // A placement that the request allows is a candidate.
    let estimated = candidates.estimate(placement);
    let latency_ms = estimated.map_or(0.0, |(estimate, _)| estimate.latency_ms);
    // Little's law: concurrency is the arrival rate times the time each request stays.
    forecast.concurrency = forecast.request_rate * latency_ms / MS_PER_SECOND;
    let to_pb = |(estimate, objective)| estimate_to_pb(estimate, objective);
    let dominated = match question.explain {
        true => candidates.dominated().map(|it| placement_to_pb(catalogue, it)).collect(),
        false => Vec::new(),
    };
    pb::DecideResponse {
        decision_id: Uuid::now_v7().to_string(),
        correlation_id: question.correlation_id,
        placement: Some(placement_to_pb(catalogue, placement)),
        forecast: Some(forecast),
        estimate: estimated.map(to_pb),
        current_estimate: candidates.current().map(to_pb),
        layers: vec![
            layer_report(pb::Layer::Strategic, strategic),
            layer_report(pb::Layer::Tactical, tactical),
            layer_report(pb::Layer::Operational, operational),
        ],
        elapsed_us: micros(elapsed),
        release: release.map(Release::to_pb),
        catalogue: Some(pb::CatalogueRevision {
            name: catalogue.name().to_owned(),
            revision: catalogue.revision().to_owned(),
        }),
        unknown: question.unknown,
        dominated,
    }
}

fn layer_report(layer: pb::Layer, report: HopReport) -> pb::LayerReport {
    pb::LayerReport {
        layer: layer.into(),
        inference: report.inference,
        elapsed_us: micros(report.elapsed),
        freshness: pb::Freshness::Fresh.into(),
        reason: String::new(),
        scores: report.scores,
        labels: report.labels,
    }
}
