//! The outcomes of the services and of the baselines, compared.

mod bootstrap;
mod forecast_scores;
mod physical;
mod ratio;
mod training;

use std::sync::Arc;

use strata_domain::{Catalogue, Objective};
use strata_simulator::{Decided, baselines, evaluate};

use self::bootstrap::Clusters;
pub(crate) use self::{
    bootstrap::Interval,
    forecast_scores::{HORIZONS, OUTPUTS, Score, Scores, TRIGGERS},
    physical::Physical,
    ratio::ratio,
    training::Curves,
};
use super::{answers::Answers, subject::Subject};

/// The name of the services' policy.
pub(crate) const STRATA: &str = "strata";
/// The name of the clairvoyant policy.
pub(crate) const ORACLE: &str = "oracle";
/// The seed of the random policy and of the bootstrap.
const SEED: u64 = 1;

/// A policy and its outcomes.
pub(crate) struct Judged {
    pub(crate) name: &'static str,
    pub(crate) objective: Interval,
    /// Strata minus this policy, paired by function.
    pub(crate) difference: Interval,
    /// The oracle minus this policy.
    pub(crate) regret: Interval,
    /// The mean regret of each function.
    pub(crate) regret_by_function: Vec<f64>,
    pub(crate) physical: Physical,
    pub(crate) decided: Vec<Decided>,
}

/// Everything that the report shows.
pub(crate) struct Results {
    pub(crate) name: String,
    /// The catalogue that functions are placed on.
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) objective: Objective,
    pub(crate) policies: Vec<Judged>,
    pub(crate) forecast: Scores,
    pub(crate) functions: usize,
    pub(crate) decisions: usize,
    pub(crate) training: Vec<Curves>,
}

impl Results {
    /// The policy of this name.
    pub(crate) fn policy(&self, name: &str) -> Option<&Judged> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// The mean objective of a policy.
    pub(crate) fn mean(&self, name: &str) -> f64 {
        self.policy(name).map_or(0.0, |policy| policy.objective.mean)
    }

    /// The share of the gap between the best fixed placement and the oracle that a policy closes; 0
    /// without a gap.
    pub(crate) fn gap_closed(&self, name: &str) -> f64 {
        let (best, oracle) = (self.mean("best_fixed"), self.mean(ORACLE));
        ratio(self.mean(name) - best, oracle - best)
    }
}

/// Evaluates the baselines on the same decisions, and compares them with the services.
pub(crate) fn judge(subject: &Subject, answers: Answers) -> Results {
    let Subject { world, scope, objective, .. } = subject;
    let mut all = vec![(STRATA, answers.strata)];
    for mut policy in baselines(world, *scope, *objective, SEED) {
        let evaluation = evaluate(world, policy.as_mut(), *scope, *objective);
        all.push((policy.name(), evaluation.decided));
    }
    let minutes = scope
        .split
        .map_or(world.trace().minutes(), |split| split.minutes(world.trace().minutes()).len());
    let rewards: Vec<Clusters> = all.iter().map(|(_, decided)| Clusters::of(decided)).collect();
    let decisions = all[0].1.len();
    let functions = rewards[0].len();
    let policies = all.into_iter().zip(&rewards).map(|((name, decided), own)| Judged {
        name,
        objective: own.interval(SEED),
        difference: rewards[0].less(own).interval(SEED),
        regret: rewards[1].less(own).interval(SEED),
        regret_by_function: rewards[1].less(own).means(),
        physical: Physical::of(&decided, minutes, functions),
        decided,
    });
    Results {
        name: subject.name.clone(),
        catalogue: Arc::clone(world.catalogue()),
        objective: *objective,
        policies: policies.collect(),
        forecast: Scores::of(subject, &answers.forecasts),
        functions,
        decisions,
        training: training::read(&subject.models),
    }
}

/// The results in one line.
pub(crate) fn headline(results: &Results) -> String {
    format!(
        "{} decisions about {} functions: strata {:.4}, oracle {:.4}, best fixed {:.4}; \
         {:.0} % of the gap closed",
        results.decisions,
        results.functions,
        results.mean(STRATA),
        results.mean(ORACLE),
        results.mean("best_fixed"),
        100.0 * results.gap_closed(STRATA),
    )
}
