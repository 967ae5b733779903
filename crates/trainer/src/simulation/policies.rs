//! The two placing networks as policies: they decide as the services will.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use strata_domain::{FunctionFacts, MemoryTier, Placement, Provider, Region, scaling};
use strata_policy::{
    strategic::{self, ProviderMask},
    tactical::{self, Action, ActionMask},
};
use strata_simulator::{DecisionPoint, PlacementPolicy};

use crate::nets::{StrategicNet, TacticalNet};

/// The regions and memory tiers of `provider` on which the function of `facts` can run.
pub(super) fn possible_actions(facts: &FunctionFacts, provider: Provider) -> ActionMask {
    let memory = facts.memory.get();
    ActionMask::of(|index| {
        Action::from_index(index)
            .is_some_and(|action| scaling::fits(placement(provider, action), memory))
    })
}

/// The providers that have a region and memory tier on which the function of `facts` can run.
pub(super) fn possible_providers(facts: &FunctionFacts) -> ProviderMask {
    ProviderMask::of(|index| {
        Provider::from_index(index)
            .is_some_and(|provider| !possible_actions(facts, provider).is_empty())
    })
}

fn placement(provider: Provider, action: Action) -> Placement {
    Placement { provider, region: action.region, memory: action.memory }
}

/// The tactical network with its encoder.
#[derive(Debug, Clone, Copy)]
pub struct TacticalPolicy<'a> {
    net: &'a TacticalNet,
    encoder: &'a tactical::Encoder,
}

impl<'a> TacticalPolicy<'a> {
    /// Decides by `net`, whose input is that of `encoder`.
    pub fn new(net: &'a TacticalNet, encoder: &'a tactical::Encoder) -> Self {
        Self { net, encoder }
    }

    /// The best placement on `provider`.
    ///
    /// # Errors
    /// When the function can run nowhere on it, or the network takes another input.
    pub fn place_on(&self, facts: &FunctionFacts, provider: Provider) -> Result<Placement> {
        let mut row = Vec::with_capacity(self.encoder.width());
        self.encoder.encode(facts, provider, &mut row);
        let logits = self.net.act(&row_tensor(row)?)?.0.squeeze(0)?.to_vec1::<f32>()?;
        let action = tactical::choose(&logits, possible_actions(facts, provider));
        Ok(placement(provider, action.context("the function can run nowhere on this provider")?))
    }
}

/// The strategic network with its encoder.
#[derive(Debug, Clone, Copy)]
pub struct StrategicPolicy<'a> {
    net: &'a StrategicNet,
    encoder: &'a strategic::Encoder,
}

impl<'a> StrategicPolicy<'a> {
    /// Decides by `net`, whose input is that of `encoder`.
    pub fn new(net: &'a StrategicNet, encoder: &'a strategic::Encoder) -> Self {
        Self { net, encoder }
    }

    /// The best provider.
    ///
    /// # Errors
    /// When the function can run nowhere, or the network takes another input.
    pub fn select(&self, facts: &FunctionFacts) -> Result<Provider> {
        let mut row = Vec::with_capacity(self.encoder.width());
        self.encoder.encode(facts, &mut row);
        let q_values = self.net.q_values(&row_tensor(row)?)?.squeeze(0)?.to_vec1::<f32>()?;
        strategic::choose(&q_values, possible_providers(facts))
            .context("the function can run nowhere")
    }
}

fn row_tensor(row: Vec<f32>) -> Result<Tensor> {
    let width = row.len();
    Ok(Tensor::from_vec(row, (1, width), &Device::Cpu)?)
}

/// Chooses the placement of a function by its facts.
type Decide<'a> = Box<dyn Fn(&FunctionFacts) -> Result<Placement> + 'a>;

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
            move |facts: &FunctionFacts| tactical.place_on(facts, strategic.select(facts)?);
        Self { name: "strata", decide: Box::new(decide), failure: None }
    }

    /// The tactical layer alone: every function keeps its provider.
    pub fn provider_kept(tactical: TacticalPolicy<'a>) -> Self {
        let decide = move |facts: &FunctionFacts| {
            let provider = facts.current.map_or(Provider::Aws, |current| current.provider);
            tactical.place_on(facts, provider)
        };
        Self { name: "tactical alone", decide: Box::new(decide), failure: None }
    }

    /// The tactical layer on the provider that the domain's formulas choose.
    pub fn under_patient_model(tactical: TacticalPolicy<'a>) -> Self {
        let decide = move |facts: &FunctionFacts| {
            let best = facts
                .outlook(FunctionFacts::STAY_MINUTES)
                .best()
                .context("the function can run nowhere")?;
            tactical.place_on(facts, best.provider)
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

    fn place(&mut self, point: &DecisionPoint) -> Placement {
        let stay = point.facts.current.unwrap_or(Placement {
            provider: Provider::Aws,
            region: Region::UsEast,
            memory: MemoryTier::Mb3008,
        });
        match (self.decide)(&point.facts) {
            Ok(placement) => placement,
            Err(error) => {
                self.failure.get_or_insert(error);
                stay
            }
        }
    }
}
