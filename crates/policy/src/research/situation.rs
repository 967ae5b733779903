use strata_domain::FunctionFacts;

use super::{
    action::Action,
    grid::{Area, Provider, ResearchLocation, Tier},
};

/// What is known of a function about to be placed.
#[derive(Debug, Clone)]
pub(crate) struct Situation<'a> {
    pub(crate) facts: &'a FunctionFacts,
    pub(crate) location: ResearchLocation,
    /// The provider that the strategic layer chose; `None` for that layer itself.
    pub(crate) provider: Option<Provider>,
    /// For the strategic layer the best expected objective on each provider, for the tactical layer
    /// that of each action on the chosen provider.
    pub(crate) expected: &'a [f32],
}

impl Situation<'_> {
    /// The best expected objective on a provider; 0 once the provider is chosen.
    pub(crate) fn best_on(&self, provider: Provider) -> f64 {
        match self.provider {
            None => f64::from(self.expected[provider.index()]),
            Some(_) => 0.0,
        }
    }

    /// The expected objective of an area and memory size on the chosen provider; 0 without one.
    pub(crate) fn expected_at(&self, area: Area, tier: Tier) -> f64 {
        match self.provider {
            None => 0.0,
            Some(_) => f64::from(self.expected[Action { area, tier }.index()]),
        }
    }
}
