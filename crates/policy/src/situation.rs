use std::cell::OnceCell;

use strata_domain::{FunctionFacts, MemoryTier, Outlook, Placement, Provider, Region};

/// What is known of a function about to be placed, with what is derived from it when a feature
/// first needs it.
#[derive(Debug, Clone)]
pub(crate) struct Situation<'a> {
    pub(crate) facts: &'a FunctionFacts,
    /// The provider that the strategic layer chose; `None` for that layer itself.
    pub(crate) provider: Option<Provider>,
    outlook: OnceCell<Box<Outlook>>,
}

impl<'a> Situation<'a> {
    pub(crate) fn new(facts: &'a FunctionFacts, provider: Option<Provider>) -> Self {
        Self { facts, provider, outlook: OnceCell::new() }
    }

    /// The expected objective of a placement: as the facts give it, or else as the formulas say.
    fn expected(&self, placement: Placement) -> f64 {
        if let Some(expected) = &self.facts.expected {
            return f64::from(expected[placement.index()]);
        }
        let judge = || Box::new(self.facts.outlook(FunctionFacts::STAY_MINUTES));
        self.outlook.get_or_init(judge).objective(placement)
    }

    /// The best expected objective on a provider.
    pub(crate) fn best_on(&self, provider: Provider) -> f64 {
        let here = Placement::all().filter(|placement| placement.provider == provider);
        here.map(|placement| self.expected(placement)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The expected objective of a region and memory size on the chosen provider; 0 without one.
    pub(crate) fn expected_at(&self, region: Region, memory: MemoryTier) -> f64 {
        let expected = |provider| self.expected(Placement { provider, region, memory });
        self.provider.map_or(0.0, expected)
    }
}
