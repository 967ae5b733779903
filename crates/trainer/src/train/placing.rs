//! What the runs of the two placing layers share: the scaling of their states, and the measure of a
//! policy.

use anyhow::Result;
use strata_domain::Objective;
use strata_simulator::{Scope, evaluate};

use super::run::Run;
use crate::{
    scaling::{Scaling, spread_of},
    simulation::Evaluated,
};

/// Worlds in which a network is validated during a fit. The trace's own world alone chose weights
/// that did worse on held-out functions than the initial weights.
const VALIDATED_IN: usize = 8;

impl Run {
    /// A scaling of `features` (name, unit, ..), fitted to `states`.
    pub(super) fn fit_scaling<'f>(
        &self,
        features: impl Iterator<Item = (&'f str, &'f str, f64, f64)>,
        states: &[Vec<f32>],
    ) -> Result<Scaling> {
        let minutes = self.training_minutes();
        let spreads: Vec<_> =
            features.map(|(name, unit, ..)| spread_of(name, unit, minutes)).collect();
        Scaling::fit(&spreads, states)
    }

    /// The mean objective of a policy on validation functions and hours, over several worlds to
    /// reduce its variance.
    pub(super) fn validate<'p>(&self, policy: impl Fn() -> Evaluated<'p>) -> Result<f64> {
        let (mut total, mut decisions) = (0.0, 0);
        for world in self.variations.iter().take(VALIDATED_IN) {
            let mut policy = policy();
            let evaluation =
                evaluate(world, &mut policy, Scope::validation(), Objective::tactical());
            policy.finish()?;
            decisions += evaluation.decided.len();
            total += evaluation.decided.iter().map(|decided| decided.outcome.reward).sum::<f64>();
        }
        Ok(total / decisions.max(1) as f64)
    }

    /// The mean objective of a policy on the scope of [`Run::measured_on`].
    pub(super) fn objective(&self, mut policy: Evaluated<'_>) -> Result<f64> {
        let scope = self.measured_on();
        let figures = evaluate(&self.world, &mut policy, scope, Objective::tactical()).summary();
        policy.finish()?;
        Ok(figures.mean_reward)
    }
}
