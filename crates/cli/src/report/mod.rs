//! What a trace's functions fared by the decisions of the services, held against baselines.

mod bootstrap;
mod chart;
mod forecast;
mod forecast_score;
mod html;
mod json;
mod physical;
mod pictures;
mod replay;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod training;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_domain::Objective;
use strata_simulator::{Decided, Scope, World, baselines, evaluate};

use crate::cluster::Running;
use bootstrap::{Clusters, Interval};
use forecast::Forecasts;
use physical::Physical;

/// The policy of the services.
pub(crate) const STRATA: &str = "strata";
/// The clairvoyant.
pub(crate) const ORACLE: &str = "oracle";
/// Seed of the random policy and of the bootstrap.
const SEED: u64 = 1;

/// What is replayed.
pub(crate) struct Subject {
    /// What the report calls it.
    pub(crate) name: String,
    pub(crate) world: World,
    pub(crate) scope: Scope,
    pub(crate) objective: Objective,
    /// Directory of the models that answer, for their training curves.
    pub(crate) models: PathBuf,
}

/// What the services answered.
pub(crate) struct Answers {
    strata: Vec<Decided>,
    forecasts: Forecasts,
}

/// One policy and what came of it.
pub(crate) struct Judged {
    pub(crate) name: &'static str,
    pub(crate) objective: Interval,
    /// Strata less this policy, functions paired.
    pub(crate) difference: Interval,
    /// The oracle less this policy.
    pub(crate) regret: Interval,
    /// Mean regret of each function.
    pub(crate) regret_by_function: Vec<f64>,
    pub(crate) physical: Physical,
    pub(crate) decided: Vec<Decided>,
}

/// Everything the report says.
pub(crate) struct Results {
    pub(crate) name: String,
    pub(crate) objective: Objective,
    pub(crate) policies: Vec<Judged>,
    pub(crate) forecast: forecast_score::Scores,
    pub(crate) functions: usize,
    pub(crate) decisions: usize,
    pub(crate) training: Vec<training::Curves>,
}

impl Results {
    pub(crate) fn policy(&self, name: &str) -> Option<&Judged> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// The mean objective of a policy.
    pub(crate) fn mean(&self, name: &str) -> f64 {
        self.policy(name).map_or(0.0, |policy| policy.objective.mean)
    }

    /// How much of the way from the best fixed placement to the oracle a policy goes; 0 when there is
    /// no way to go.
    pub(crate) fn gap_closed(&self, name: &str) -> f64 {
        let (best, oracle) = (self.mean("best_fixed"), self.mean(ORACLE));
        ratio(self.mean(name) - best, oracle - best)
    }
}

/// A quotient that is always a number: 0 when there is nothing to divide by.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    let quotient = part / whole;
    if quotient.is_finite() { quotient } else { 0.0 }
}

/// Asks the running services for every decision and forecast.
///
/// # Errors
/// A trace without decisions, and services that do not answer.
pub(crate) async fn ask(
    subject: &Subject,
    running: &Running,
    bar: &ProgressBar,
) -> anyhow::Result<Answers> {
    bar.set_style(ProgressStyle::with_template("{msg:12} {bar:40} {pos}/{len} {eta} left")?);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let functions = subject.world.deciding(subject.scope);
    if functions.is_empty() {
        bail!(
            "{} has nothing to decide: no function is called after its first 25 minutes",
            subject.name
        );
    }
    let strata = replay::strata(subject, &running.endpoint, bar).await?;
    let operational =
        running.operational.as_deref().context("the operational layer's address is not known")?;
    let forecasts = forecast::ask(subject, operational, bar).await?;
    bar.finish_and_clear();
    Ok(Answers { strata, forecasts })
}

/// Lets the baselines decide as well, and compares.
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
        objective: *objective,
        policies: policies.collect(),
        forecast: forecast_score::Scores::of(subject, &answers.forecasts),
        functions,
        decisions,
        training: training::read(&subject.models),
    }
}

/// Writes the page, the figures and the pictures.
///
/// # Errors
/// A directory that cannot be written to.
pub(crate) fn write(results: &Results, out: &Path) -> anyhow::Result<()> {
    let pictures = pictures::all(results, out)?;
    let save = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    save("report.json", serde_json::to_string_pretty(&json::of(results))? + "\n")?;
    save("report.html", html::page(results, &pictures))
}

/// The result in a line.
pub(crate) fn headline(results: &Results) -> String {
    format!(
        "{} decisions about {} functions: strata {:.4}, oracle {:.4}, best fixed {:.4}; {:.0} % of the gap closed",
        results.decisions,
        results.functions,
        results.mean(STRATA),
        results.mean(ORACLE),
        results.mean("best_fixed"),
        100.0 * results.gap_closed(STRATA),
    )
}
