use strata_domain::FunctionFacts;

use super::{
    action::Action,
    grid::{Area, Provider, ResearchLocation, Tier},
};

/// What is known of a function about to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What is known of it.
    pub facts: &'a FunctionFacts,
    /// Where it is.
    pub location: ResearchLocation,
    /// The provider that the strategic layer chose; `None` for that layer itself.
    pub provider: Option<Provider>,
    /// For the strategic layer the best expected objective on each provider, by
    /// [`Provider::index`]; for the tactical layer that of each action on the chosen provider, by
    /// [`Action::index`]. Those that are missing count as 0.
    pub expected: &'a [f32],
}

impl Situation<'_> {
    /// The best expected objective on a provider; 0 once the provider is chosen.
    pub(crate) fn best_on(&self, provider: Provider) -> f64 {
        match self.provider {
            None => self.expected_of(provider.index()),
            Some(_) => 0.0,
        }
    }

    /// The expected objective of an area and memory size on the chosen provider; 0 without one.
    pub(crate) fn expected_at(&self, area: Area, tier: Tier) -> f64 {
        match self.provider {
            None => 0.0,
            Some(_) => self.expected_of(Action { area, tier }.index()),
        }
    }

    fn expected_of(&self, index: usize) -> f64 {
        self.expected.get(index).copied().map_or(0.0, f64::from)
    }
}
