//! The two placing networks as policies: they decide as the services will.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use strata_domain::{Catalogue, Placement};
use strata_policy::research::{Provider, strategic, tactical};
use strata_simulator::{DecisionPoint, PlacementPolicy};

use super::research::Research;
use crate::nets::{StrategicNet, TacticalNet};

/// The tactical network with its encoder.
#[derive(Debug, Clone, Copy)]
pub struct TacticalPolicy<'a> {
    net: &'a TacticalNet,
    encoder: &'a tactical::Encoder,
    pub(super) research: Research<'a>,
}

impl<'a> TacticalPolicy<'a> {
    /// Decides by `net`, whose input is that of `encoder`.
    pub fn new(
        net: &'a TacticalNet,
        encoder: &'a tactical::Encoder,
        research: Research<'a>,
    ) -> Self {
        Self { net, encoder, research }
    }

    /// The best placement on `provider`.
    ///
    /// # Errors
    /// When the function can run nowhere on it, or the network takes another input.
    pub fn place_on(&self, point: &DecisionPoint, provider: Provider) -> Result<Placement> {
        let row = self.research.tactical_row(self.encoder, point, provider);
        let logits = self.net.act(&row_tensor(row)?)?.0.squeeze(0)?.to_vec1::<f32>()?;
        let possible = self.research.possible_actions(&point.facts, provider);
        let action = tactical::choose(&logits, possible);
        let action = action.context("the function can run nowhere on this provider")?;
        self.research.placement(provider, action)
    }
}

/// The strategic network with its encoder.
#[derive(Debug, Clone, Copy)]
pub struct StrategicPolicy<'a> {
    net: &'a StrategicNet,
    encoder: &'a strategic::Encoder,
    research: Research<'a>,
}

impl<'a> StrategicPolicy<'a> {
    /// Decides by `net`, whose input is that of `encoder`.
    pub fn new(
        net: &'a StrategicNet,
        encoder: &'a strategic::Encoder,
        research: Research<'a>,
    ) -> Self {
        Self { net, encoder, research }
    }

    /// The best provider.
    ///
    /// # Errors
    /// When the function can run nowhere, or the network takes another input.
    pub fn select(&self, point: &DecisionPoint) -> Result<Provider> {
        let row = self.research.strategic_row(self.encoder, point);
        let q_values = self.net.q_values(&row_tensor(row)?)?.squeeze(0)?.to_vec1::<f32>()?;
        strategic::choose(&q_values, self.research.possible_providers(&point.facts))
            .context("the function can run nowhere")
    }
}

fn row_tensor(row: Vec<f32>) -> Result<Tensor> {
    let width = row.len();
    Ok(Tensor::from_vec(row, (1, width), &Device::Cpu)?)
}

/// Chooses the placement of a function by what is known of it.
type Decide<'a> = Box<dyn Fn(&DecisionPoint) -> Result<Placement> + 'a>;

/// A policy for the simulator's evaluation. It keeps its first error, because the simulator takes
/// placements only.
pub struct Evaluated<'a> {
    name: &'static str,
    decide: Decide<'a>,
    failure: Option<anyhow::Error>,
}

impl<'a> Evaluated<'a> {
    /// The chain: the strategic layer chooses the provider, the tactical layer region and memory.
    pub fn chain(strategic: StrategicPolicy<'a>, tactical: TacticalPolicy<'a>) -> Self {
        let decide =
            move |point: &DecisionPoint| tactical.place_on(point, strategic.select(point)?);
        Self { name: "strata", decide: Box::new(decide), failure: None }
    }

    /// The tactical layer alone: every function keeps its provider.
    pub fn provider_kept(tactical: TacticalPolicy<'a>) -> Self {
        let decide = move |point: &DecisionPoint| {
            let provider = tactical.research.grid.provider_of(point.current.platform);
            tactical
                .place_on(point, provider.context("it runs on a platform of none of the three")?)
        };
        Self { name: "tactical alone", decide: Box::new(decide), failure: None }
    }

    /// The tactical layer on the provider that the domain's formulas choose.
    pub fn under_patient_model(tactical: TacticalPolicy<'a>) -> Self {
        let decide = move |point: &DecisionPoint| {
            let provider = tactical.research.best_provider(point);
            tactical.place_on(point, provider.context("the function can run nowhere")?)
        };
        Self { name: "tactical under patient_model", decide: Box::new(decide), failure: None }
    }

    /// Ends the evaluation.
    ///
    /// # Errors
    /// With the first error of a decision.
    pub fn finish(self) -> Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl PlacementPolicy for Evaluated<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn place(&mut self, _: &Catalogue, point: &DecisionPoint) -> Placement {
        (self.decide)(point).unwrap_or_else(|error| {
            self.failure.get_or_insert(error);
            point.current
        })
    }
}
