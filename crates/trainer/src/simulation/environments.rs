//! The simulator as the environments that the two placing networks learn in.

use anyhow::{Context, Result, ensure};
use rand::seq::IndexedRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_domain::Objective;
use strata_policy::research::{Action, Provider, strategic, tactical};
use strata_simulator::{Environment as Simulation, Scope, World};

use super::{policies::TacticalPolicy, research::Research};
use crate::fit::{Environment, Observation, Outcome};

/// Chooses areas and memory sizes. The provider stays the same through an episode, because it is
/// decided ten times less often. An episode is one function through the training scope; function
/// and provider are drawn.
pub struct TacticalEnvironment<'w> {
    simulation: Simulation<'w>,
    functions: Vec<usize>,
    encoder: &'w tactical::Encoder,
    research: Research<'w>,
    rng: Xoshiro256PlusPlus,
    provider: Provider,
}

impl<'w> TacticalEnvironment<'w> {
    /// Episodes over the functions that have a decision in the training scope, drawn from `rng`.
    pub fn new(
        world: &'w World,
        encoder: &'w tactical::Encoder,
        research: Research<'w>,
        rng: Xoshiro256PlusPlus,
    ) -> Self {
        let functions = world.deciding(Scope::training());
        let simulation = Simulation::new(world, Scope::training(), Objective::tactical());
        Self { simulation, functions, encoder, research, rng, provider: Provider::Aws }
    }

    fn observe(&self) -> Option<Observation> {
        let point = self.simulation.observe()?;
        let state = self.research.tactical_row(self.encoder, &point, self.provider);
        let possible = self.research.possible_actions(&point.facts, self.provider);
        Some(Observation { state, allowed: possible.bits() })
    }
}

impl Environment for TacticalEnvironment<'_> {
    fn reset(&mut self) -> Result<Observation> {
        let function = self
            .functions
            .choose(&mut self.rng)
            .context("no function has a decision in the training scope")?;
        ensure!(self.simulation.reset(*function), "nothing is to be decided about {function}");
        let facts = self.simulation.observe().context("an episode begins with a decision")?.facts;
        let possible = self.research.possible_providers(&facts);
        let providers: Vec<Provider> =
            Provider::ALL.into_iter().filter(|p| possible.allows(p.index())).collect();
        self.provider = *providers.choose(&mut self.rng).context("the function can run nowhere")?;
        self.observe().context("an episode begins with a decision")
    }

    fn step(&mut self, action: usize) -> Result<Outcome> {
        let action = Action::from_index(action).context("no such action")?;
        let placement = self.research.placement(self.provider, action)?;
        let outcome = self.simulation.step(placement).context("the episode is over")?;
        Ok(Outcome { reward: outcome.reward as f32, next: self.observe() })
    }

    fn generator(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.rng
    }
}

/// Chooses providers. A tactical policy then chooses area and memory, so that a provider is
/// rewarded for what the whole chain achieves with it. An episode is one function, drawn, through
/// the training scope of one world.
pub struct StrategicEnvironment<'w> {
    /// One simulation for each world, with the functions that have a decision there.
    worlds: Vec<(Simulation<'w>, Vec<usize>)>,
    simulation: Simulation<'w>,
    encoder: &'w strategic::Encoder,
    tactical: TacticalPolicy<'w>,
    rng: Xoshiro256PlusPlus,
}

/// The parts of a [`StrategicEnvironment`].
pub struct StrategicParts<'w> {
    /// The worlds; each episode is in one of them.
    pub worlds: &'w [World],
    /// The objective that rewards are computed by.
    pub objective: Objective,
    /// Encodes facts as states.
    pub encoder: &'w strategic::Encoder,
    /// The layer below.
    pub tactical: TacticalPolicy<'w>,
}

impl<'w> StrategicEnvironment<'w> {
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
        let point = self.simulation.observe()?;
        let research = &self.tactical.research;
        let state = research.strategic_row(self.encoder, &point);
        let possible = research.possible_providers(&point.facts);
        Some(Observation { state, allowed: possible.bits() })
    }
}

impl Environment for StrategicEnvironment<'_> {
    fn reset(&mut self) -> Result<Observation> {
        let world = self.worlds.choose(&mut self.rng).context("there is no world to learn in")?;
        let function = world
            .1
            .choose(&mut self.rng)
            .context("no function has a decision in the training scope")?;
        self.simulation = world.0.clone();
        ensure!(self.simulation.reset(*function), "nothing is to be decided about {function}");
        self.observe().context("an episode begins with a decision")
    }

    fn step(&mut self, action: usize) -> Result<Outcome> {
        let provider = Provider::from_index(action).context("no such action")?;
        let point = self.simulation.observe().context("the episode is over")?;
        let placement = self.tactical.place_on(&point, provider)?;
        let outcome = self.simulation.step(placement).context("the episode is over")?;
        Ok(Outcome { reward: outcome.reward as f32, next: self.observe() })
    }

    fn generator(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.rng
    }
}
