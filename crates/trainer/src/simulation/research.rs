//! The placements that the networks of versions 1 and 2 know, and their inputs.

use anyhow::{Context, Result};
use strata_domain::{Catalogue, FunctionFacts, Outlook, Placement, scaling};
use strata_policy::research::{
    Action, Grid, Provider, Situation, Tier,
    strategic::{self, ProviderMask},
    tactical::{self, ActionMask},
};
use strata_simulator::DecisionPoint;

/// A catalogue, and where it has what the networks know.
#[derive(Debug, Clone, Copy)]
pub struct Research<'a> {
    /// The catalogue.
    pub catalogue: &'a Catalogue,
    /// Its platforms, regions and sizes that the networks know.
    pub grid: &'a Grid,
}

impl Research<'_> {
    /// The areas and memory sizes of `provider` on which the function of `facts` can run.
    pub(super) fn possible_actions(&self, facts: &FunctionFacts, provider: Provider) -> ActionMask {
        let memory = facts.memory.get();
        let fits = |tier: Tier| scaling::fits(tier.megabytes(), memory);
        ActionMask::of(|index| {
            Action::from_index(index).is_some_and(|action| {
                fits(action.tier) && self.grid.candidate(provider, action).is_some()
            })
        })
    }

    /// The providers that have an area and memory size on which the function of `facts` can run.
    pub(super) fn possible_providers(&self, facts: &FunctionFacts) -> ProviderMask {
        ProviderMask::of(|index| {
            Provider::from_index(index)
                .is_some_and(|provider| !self.possible_actions(facts, provider).is_empty())
        })
    }

    /// The placement of an action on a provider.
    ///
    /// # Errors
    /// When it is not sold.
    pub(super) fn placement(&self, provider: Provider, action: Action) -> Result<Placement> {
        let candidate = self.grid.candidate(provider, action);
        Ok(self.catalogue.candidate(candidate.context("the provider does not sell this size")?))
    }

    /// The provider that the domain's formulas choose; `None` when the function can run nowhere.
    pub(super) fn best_provider(&self, point: &DecisionPoint) -> Option<Provider> {
        let best = self.outlook(point).best()?;
        self.grid.provider_of(self.catalogue.candidate(best).platform)
    }

    /// The input of the strategic network.
    pub(super) fn strategic_row(
        &self,
        encoder: &strategic::Encoder,
        point: &DecisionPoint,
    ) -> Vec<f32> {
        let mut expected = [0.0; strategic::ACTIONS];
        if encoder.needs_expected() {
            let outlook = self.outlook(point);
            expected = Provider::ALL.map(|provider| {
                let objectives = self.objectives(point, &outlook, provider);
                objectives.into_iter().fold(f32::NEG_INFINITY, f32::max)
            });
        }
        let location = self.grid.locate(self.catalogue, &point.location);
        let mut row = Vec::with_capacity(encoder.width());
        let facts = &point.facts;
        let situation = Situation { facts, location, provider: None, expected: &expected };
        encoder.encode(&situation, &mut row);
        row
    }

    /// The input of the tactical network on `provider`.
    pub(super) fn tactical_row(
        &self,
        encoder: &tactical::Encoder,
        point: &DecisionPoint,
        provider: Provider,
    ) -> Vec<f32> {
        let mut expected = [0.0; tactical::ACTIONS];
        if encoder.needs_expected() {
            expected = self.objectives(point, &self.outlook(point), provider);
        }
        let location = self.grid.locate(self.catalogue, &point.location);
        let mut row = Vec::with_capacity(encoder.width());
        let (facts, provider) = (&point.facts, Some(provider));
        encoder.encode(&Situation { facts, location, provider, expected: &expected }, &mut row);
        row
    }

    fn outlook(&self, point: &DecisionPoint) -> Outlook {
        point.facts.outlook(self.catalogue, &point.location, FunctionFacts::STAY_MINUTES)
    }

    /// The expected objective of each action on `provider`.
    fn objectives(
        &self,
        point: &DecisionPoint,
        outlook: &Outlook,
        provider: Provider,
    ) -> [f32; tactical::ACTIONS] {
        let impossible = point.facts.objective.infeasible_reward();
        std::array::from_fn(|index| {
            let action = Action::from_index(index);
            let candidate = action.and_then(|action| self.grid.candidate(provider, action));
            candidate.map_or(impossible, |candidate| outlook.objective(candidate)) as f32
        })
    }
}
