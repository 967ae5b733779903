//! The stages of the chain as types: each stage owns the one before it and checks the response that
//! creates it.

use std::time::Duration;

use strata_domain::{FaultKind, Placement, PlatformId};
use strata_wire::{
    Fault, Forecasting, Hop, Placing, Selecting, Violations, pb, placement_candidates_to_pb,
    placement_from_pb, platform_candidates_to_pb, time_to_pb,
};

use crate::intake::Question;

/// The inference report of a hop and the time the hop took.
#[derive(Debug)]
pub(crate) struct HopReport {
    pub(crate) inference: Option<pb::Inference>,
    pub(crate) scores: Vec<f32>,
    pub(crate) labels: Vec<String>,
    pub(crate) elapsed: Duration,
}

/// A question with the platform that the strategic layer chose.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) question: Box<Question>,
    pub(crate) platform: PlatformId,
    pub(crate) report: HopReport,
}

/// A routed question with the region and the memory that the tactical layer chose.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) routed: Routed,
    pub(crate) placement: Placement,
    pub(crate) report: HopReport,
}

/// A placed question with the forecast of the operational layer.
#[derive(Debug)]
pub(crate) struct Provisioned {
    pub(crate) placed: Placed,
    pub(crate) forecast: pb::Forecast,
    pub(crate) report: HopReport,
}

/// A response of a layer and the time it took.
pub(super) type Timed<R> = (R, Duration);

impl Question {
    /// Builds the request to the strategic layer.
    pub(super) fn select(&self, model_version: u32) -> pb::SelectRequest {
        pb::SelectRequest {
            facts: Some(self.facts_message.clone()),
            candidates: Some(Box::new(platform_candidates_to_pb(
                self.candidates.platforms(&self.facts),
            ))),
            explain: self.explain,
            function_key: Some(self.function_key),
            model_version,
        }
    }

    /// Builds the request to the tactical layer about `platform`.
    pub(super) fn place(&self, platform: PlatformId, model_version: u32) -> pb::PlaceRequest {
        pb::PlaceRequest {
            facts: Some(self.facts_message.clone()),
            platform: self.candidates.catalogue().platform(platform).name.clone(),
            candidates: Some(Box::new(placement_candidates_to_pb(
                self.candidates.placements(&self.facts, platform),
            ))),
            explain: self.explain,
            function_key: Some(self.function_key),
            model_version,
        }
    }

    /// Builds the request to the operational layer about `placement`.
    pub(super) fn forecast(&self, placement: Placement, model_version: u32) -> pb::ForecastRequest {
        let platform = self.candidates.catalogue().platform(placement.platform);
        pb::ForecastRequest {
            at: Some(time_to_pb(self.at)),
            steps: self.steps.clone(),
            observed_memory_mb: self.observed_memory_mb,
            memory_mb: placement.memory_mb,
            keep_alive_minutes: platform.cold_starts.keep_alive_minutes(),
            calls: Some(self.calls.clone()),
            function_key: Some(self.function_key),
            model_version,
        }
    }
}

impl Routed {
    /// Adds the platform that the strategic layer chose.
    ///
    /// # Errors
    /// `Internal` when the request does not allow that platform.
    pub(super) fn new(
        question: Box<Question>,
        (response, elapsed): Timed<pb::SelectResponse>,
    ) -> Result<Self, Fault> {
        let catalogue = question.candidates.catalogue();
        let platform = catalogue
            .find_platform(&response.platform)
            .filter(|platform| question.candidates.allows_platform(*platform))
            .ok_or_else(|| disallowed(Selecting::LAYER))?;
        let report = HopReport {
            inference: response.inference,
            scores: response.q_values,
            labels: response.labels,
            elapsed,
        };
        Ok(Self { question, platform, report })
    }
}

impl Placed {
    /// Adds the placement that the tactical layer chose.
    ///
    /// # Errors
    /// `Internal` when the request does not allow that placement.
    pub(super) fn new(
        routed: Routed,
        (response, elapsed): Timed<pb::PlaceResponse>,
    ) -> Result<Self, Fault> {
        let mut violations = Violations::new();
        let candidates = &routed.question.candidates;
        let mut read = |placement: pb::Placement| {
            let catalogue = candidates.catalogue();
            placement_from_pb(catalogue, &placement, "placement", &mut violations)
        };
        let placement = response
            .placement
            .and_then(&mut read)
            .filter(|placement| candidates.allows(*placement))
            .filter(|placement| placement.platform == routed.platform)
            .ok_or_else(|| disallowed(Placing::LAYER))?;
        let report = HopReport {
            inference: response.inference,
            scores: response.logits,
            labels: response.labels,
            elapsed,
        };
        Ok(Self { routed, placement, report })
    }
}

impl Provisioned {
    /// Adds the forecast of the operational layer.
    ///
    /// # Errors
    /// `Internal` when the response holds no forecast.
    pub(super) fn new(
        placed: Placed,
        (response, elapsed): Timed<pb::ForecastResponse>,
    ) -> Result<Self, Fault> {
        let forecast = response.forecast.ok_or_else(|| disallowed(Forecasting::LAYER))?;
        let report = HopReport {
            inference: response.inference,
            scores: Vec::new(),
            labels: Vec::new(),
            elapsed,
        };
        Ok(Self { placed, forecast, report })
    }
}

fn disallowed(layer: &str) -> Fault {
    let message = format!("the {layer} layer answered what it was not allowed to");
    Fault::new(FaultKind::Internal, message)
}
