//! The simulator as the environments that the two placing networks learn on.

use anyhow::{Context, Result, ensure};
use rand::seq::IndexedRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_domain::{Objective, Placement, Provider};
use strata_policy::{
    strategic,
    tactical::{self, Action},
};
use strata_simulator::{Environment as Simulation, Scope, World};

use crate::{
    fit::{Environment, Observation, Outcome},
    placement::{TacticalPolicy, possible_actions, possible_providers},
};

/// Regions and memory tiers for functions on a provider that stays the same through an episode, as
/// the provider is decided ten times less often. An episode is one function through the training
/// scope; function and provider are drawn.
pub struct TacticalWorld<'w> {
    simulation: Simulation<'w>,
    functions: Vec<usize>,
    encoder: &'w tactical::Encoder,
    rng: Xoshiro256PlusPlus,
    provider: Provider,
}

impl<'w> TacticalWorld<'w> {
    /// Episodes over the functions about which there is something to decide in the training scope.
    pub fn new(world: &'w World, encoder: &'w tactical::Encoder, rng: Xoshiro256PlusPlus) -> Self {
        let functions = world.deciding(Scope::training());
        let simulation = Simulation::new(world, Scope::training(), Objective::tactical());
        Self { simulation, functions, encoder, rng, provider: Provider::Aws }
    }

    fn observe(&self) -> Option<Observation> {
        let facts = self.simulation.observe()?.facts;
        let mut state = Vec::with_capacity(self.encoder.width());
        self.encoder.encode(&facts, self.provider, &mut state);
        Some(Observation { state, allowed: possible_actions(&facts, self.provider).bits() })
    }
}

impl Environment for TacticalWorld<'_> {
    fn reset(&mut self) -> Result<Observation> {
        let function = self.functions.choose(&mut self.rng).context("there is no function")?;
        ensure!(self.simulation.reset(*function), "nothing is to be decided about {function}");
        let facts = self.simulation.observe().context("an episode begins with a decision")?.facts;
        let providers: Vec<Provider> = Provider::ALL
            .into_iter()
            .filter(|provider| possible_providers(&facts).allows(provider.index()))
            .collect();
        self.provider = *providers.choose(&mut self.rng).context("the function can run nowhere")?;
        self.observe().context("an episode begins with a decision")
    }

    fn step(&mut self, action: usize) -> Result<Outcome> {
        let action = Action::from_index(action).context("no such action")?;
        let Action { region, memory } = action;
        let placement = Placement { provider: self.provider, region, memory };
        let outcome = self.simulation.step(placement).context("the episode is over")?;
        Ok(Outcome { reward: outcome.reward as f32, next: self.observe() })
    }

    fn generator(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.rng
    }
}

/// Providers for functions. Region and memory below are chosen by a tactical policy, so that a
/// provider is paid for what the chain makes of it. An episode is one function, drawn, through the
/// training split.
pub struct StrategicWorld<'w> {
    /// One for each world, with the functions to decide about.
    worlds: Vec<(Simulation<'w>, Vec<usize>)>,
    simulation: Simulation<'w>,
    encoder: &'w strategic::Encoder,
    tactical: TacticalPolicy<'w>,
    rng: Xoshiro256PlusPlus,
}

/// What a [`StrategicWorld`] is made of.
pub struct StrategicParts<'w> {
    /// The worlds, of which each episode is in one.
    pub worlds: &'w [World],
    /// What providers are paid by.
    pub objective: Objective,
    /// How facts become states.
    pub encoder: &'w strategic::Encoder,
    /// The layer below.
    pub tactical: TacticalPolicy<'w>,
}

impl<'w> StrategicWorld<'w> {
    /// Episodes drawn from `rng`.
    ///
    /// # Errors
    /// When there is no world.
    pub fn new(parts: StrategicParts<'w>, rng: Xoshiro256PlusPlus) -> Result<Self> {
        let StrategicParts { worlds, objective, encoder, tactical } = parts;
        let scope = Scope::training();
        let within = |world| Simulation::new(world, scope, objective);
        let simulation = within(worlds.first().context("there is no world to learn in")?);
        let worlds = worlds.iter().map(|world| (within(world), world.deciding(scope))).collect();
        Ok(Self { worlds, simulation, encoder, tactical, rng })
    }

    fn observe(&self) -> Option<Observation> {
        let facts = self.simulation.observe()?.facts;
        let mut state = Vec::with_capacity(self.encoder.width());
        self.encoder.encode(&facts, &mut state);
        Some(Observation { state, allowed: possible_providers(&facts).bits() })
    }
}

impl Environment for StrategicWorld<'_> {
    fn reset(&mut self) -> Result<Observation> {
        let world = self.worlds.choose(&mut self.rng).context("there is no world to learn in")?;
        let function = world.1.choose(&mut self.rng).context("there is no function")?;
        self.simulation = world.0.clone();
        ensure!(self.simulation.reset(*function), "nothing is to be decided about {function}");
        self.observe().context("an episode begins with a decision")
    }

    fn step(&mut self, action: usize) -> Result<Outcome> {
        let provider = Provider::from_index(action).context("no such action")?;
        let facts = self.simulation.observe().context("the episode is over")?.facts;
        let placement = self.tactical.place_on(&facts, provider)?;
        let outcome = self.simulation.step(placement).context("the episode is over")?;
        Ok(Outcome { reward: outcome.reward as f32, next: self.observe() })
    }

    fn generator(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.rng
    }
}
