//! The stages of the chain as types: each stage owns the one before it and checks the response that
//! creates it.

use std::time::Duration;

use strata_domain::{FaultKind, Placement, Provider};
use strata_wire::{
    Fault, Forecasting, Hop, Placing, Selecting, Violations, pb, placement_from_pb,
    placement_to_pb, provider_from_pb, provider_to_pb, time_to_pb,
};

use crate::intake::Question;

/// The inference report of a hop and the time the hop took.
#[derive(Debug)]
pub(crate) struct HopReport {
    pub(crate) inference: Option<pb::Inference>,
    pub(crate) scores: Vec<f32>,
    pub(crate) elapsed: Duration,
}

/// A question with the provider that the strategic layer chose.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) question: Box<Question>,
    pub(crate) provider: Provider,
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
            facts: Some(self.facts.clone()),
            provider_mask: Some(self.candidates.providers().bits()),
            explain: self.explain,
            function_key: Some(self.function_key),
            model_version,
        }
    }

    /// Builds the request to the tactical layer about `provider`.
    pub(super) fn place(&self, provider: Provider, model_version: u32) -> pb::PlaceRequest {
        pb::PlaceRequest {
            facts: Some(self.facts.clone()),
            provider: provider_to_pb(provider).into(),
            action_mask: Some(self.candidates.actions(provider).bits()),
            explain: self.explain,
            function_key: Some(self.function_key),
            model_version,
        }
    }

    /// Builds the request to the operational layer about `placement`.
    pub(super) fn forecast(&self, placement: Placement, model_version: u32) -> pb::ForecastRequest {
        pb::ForecastRequest {
            at: Some(time_to_pb(self.at)),
            steps: self.steps.clone(),
            observed_memory_mb: self.current.map_or(0, |now| now.memory.megabytes()),
            placement: Some(placement_to_pb(placement)),
            calls: Some(self.calls.clone()),
            function_key: Some(self.function_key),
            model_version,
        }
    }
}

impl Routed {
    /// Adds the provider that the strategic layer chose.
    ///
    /// # Errors
    /// `Internal` when the request does not allow that provider.
    pub(super) fn new(
        question: Box<Question>,
        (response, elapsed): Timed<pb::SelectResponse>,
    ) -> Result<Self, Fault> {
        let mask = question.candidates.providers();
        let provider = provider_from_pb(response.provider)
            .filter(|provider| mask.allows(provider.index()))
            .ok_or_else(|| disallowed(Selecting::LAYER))?;
        let report =
            HopReport { inference: response.inference, scores: response.q_values, elapsed };
        Ok(Self { question, provider, report })
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
        let placement = response
            .placement
            .and_then(|placement| placement_from_pb(&placement, "placement", &mut violations))
            .filter(|placement| routed.question.candidates.allows(*placement))
            .filter(|placement| placement.provider == routed.provider)
            .ok_or_else(|| disallowed(Placing::LAYER))?;
        let report = HopReport { inference: response.inference, scores: response.logits, elapsed };
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
        let report = HopReport { inference: response.inference, scores: Vec::new(), elapsed };
        Ok(Self { placed, forecast, report })
    }
}

fn disallowed(layer: &str) -> Fault {
    let message = format!("the {layer} layer answered what it was not allowed to");
    Fault::new(FaultKind::Internal, message)
}
