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
    let (estimate, objective) = question.candidates.estimate(placement);
    // Little's law: concurrency is the arrival rate times the time each request stays.
    forecast.concurrency = forecast.request_rate * estimate.latency_ms / MS_PER_SECOND;
    let current_estimate = question.current.map(|current| {
        let (estimate, objective) = question.candidates.estimate(current);
        estimate_to_pb(estimate, objective)
    });
    pb::DecideResponse {
        decision_id: Uuid::now_v7().to_string(),
        correlation_id: question.correlation_id,
        placement: Some(placement_to_pb(placement)),
        forecast: Some(forecast),
        estimate: Some(estimate_to_pb(estimate, objective)),
        current_estimate,
        layers: vec![
            layer_report(pb::Layer::Strategic, strategic),
            layer_report(pb::Layer::Tactical, tactical),
            layer_report(pb::Layer::Operational, operational),
        ],
        elapsed_us: micros(elapsed),
        release: release.map(Release::to_pb),
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
    }
}
