//! Held-out figures as tables and as manifest metrics.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, ensure};
use strata_domain::Objective;
use strata_simulator::{ForecastScore, PlacementPolicy, Report, Scope, World, baselines, evaluate};

/// Seed of the random baseline.
const RANDOM_SEED: u64 = 1;

/// Figures of policies on the same decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacementTable {
    scope: Scope,
    objective: Objective,
    reports: Vec<Report>,
}

impl PlacementTable {
    /// The baselines that a learnt policy has to beat, and the oracle, which no policy can beat.
    pub fn baselines(world: &World, scope: Scope, objective: Objective) -> Self {
        let mut table = Self { scope, objective, reports: Vec::new() };
        for mut policy in baselines(world, scope, objective, RANDOM_SEED) {
            table.add(world, policy.as_mut());
        }
        table
    }

    /// Evaluates another policy and adds its figures.
    pub fn add(&mut self, world: &World, policy: &mut dyn PlacementPolicy) {
        self.reports.push(evaluate(world, policy, self.scope, self.objective).summary());
    }

    fn report(&self, policy: &str) -> Result<&Report> {
        self.reports
            .iter()
            .find(|report| report.policy == policy)
            .with_context(|| format!("no policy `{policy}` was evaluated"))
    }

    /// The mean objective of `policy`.
    ///
    /// # Errors
    /// When the policy was not evaluated.
    pub fn objective(&self, policy: &str) -> Result<f64> {
        Ok(self.report(policy)?.mean_reward)
    }

    /// The metrics of `policy`: its figures, the objectives of all other policies, and its relative
    /// change of cost, latency and carbon against staying put (-0.4 is 40 % less).
    ///
    /// # Errors
    /// When the policy was not evaluated.
    pub fn metrics(&self, policy: &str) -> Result<BTreeMap<String, f64>> {
        let (own, stay) = (self.report(policy)?, self.report("stay_put")?);
        let mut metrics = BTreeMap::from([
            ("decisions".to_owned(), own.decisions as f64),
            ("objective".to_owned(), own.mean_reward),
            ("cost_usd".to_owned(), own.mean_cost_usd),
            ("latency_ms".to_owned(), own.mean_latency_ms),
            ("carbon_g".to_owned(), own.mean_carbon_g),
            ("sla_violation_rate".to_owned(), own.sla_violation_rate),
            ("avoidable_violation_rate".to_owned(), own.avoidable_violation_rate),
            ("move_rate".to_owned(), own.move_rate),
            ("cost_change".to_owned(), own.mean_cost_usd / stay.mean_cost_usd - 1.0),
            ("latency_change".to_owned(), own.mean_latency_ms / stay.mean_latency_ms - 1.0),
            ("carbon_change".to_owned(), own.mean_carbon_g / stay.mean_carbon_g - 1.0),
        ]);
        for report in self.reports.iter().filter(|report| report.policy != policy) {
            metrics.insert(format!("{}_objective", report.policy), report.mean_reward);
        }
        Ok(metrics)
    }
}

impl fmt::Display for PlacementTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:>9} {:>12} {:>11} {:>12} {:>8} {:>7}",
            "policy", "objective", "USD/call", "latency ms", "gCO2e/call", "late", "moves"
        )?;
        for r in &self.reports {
            writeln!(
                f,
                "{:<16} {:>9.4} {:>12.3e} {:>11.0} {:>12.3e} {:>7.1}% {:>6.1}%",
                r.policy,
                r.mean_reward,
                r.mean_cost_usd,
                r.mean_latency_ms,
                r.mean_carbon_g,
                100.0 * r.sla_violation_rate,
                100.0 * r.move_rate
            )?;
        }
        Ok(())
    }
}

/// Scores of forecasters on the same windows.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastTable {
    /// The selection of windows: `busy` or `all`.
    pub windows: &'static str,
    /// Name and score of each forecaster.
    pub rows: Vec<(&'static str, ForecastScore)>,
}

impl ForecastTable {
    /// R2 of the request rate of the forecaster `name`.
    ///
    /// # Errors
    /// When no such forecaster was scored.
    pub fn rate_r2(&self, name: &str) -> Result<f64> {
        Ok(self.score(name)?.r2[0])
    }

    fn score(&self, name: &str) -> Result<&ForecastScore> {
        let found = self.rows.iter().find(|(row, _)| *row == name);
        Ok(&found.with_context(|| format!("no forecast `{name}` was scored"))?.1)
    }

    /// The mean over the three values of `name`'s R2.
    ///
    /// # Errors
    /// When no such forecaster was scored.
    pub fn mean_r2(&self, name: &str) -> Result<f64> {
        let score = self.score(name)?;
        Ok(score.r2.iter().sum::<f64>() / score.r2.len() as f64)
    }

    /// Checks that the network forecasts the request rate better than `baseline`. A model that does
    /// not must never be served by default.
    ///
    /// # Errors
    /// When it does not, or one of the two was not scored.
    pub fn ensure_beats(&self, baseline: &str) -> Result<()> {
        let (own, other) = (self.rate_r2("strata")?, self.rate_r2(baseline)?);
        ensure!(
            own > other,
            "R2 of the request rate over {} windows of held-out time is {own:.3}, that of the \
             {baseline} {other:.3}",
            self.windows
        );
        Ok(())
    }
}

impl fmt::Display for ForecastTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            format!("{} windows", self.windows),
            "R2 rate",
            "R2 mem",
            "R2 CPU",
            "mean rate",
            "mean mem",
            "mean CPU",
            "RMSE rate",
            "RMSE mem",
            "RMSE CPU"
        )?;
        for (name, score) in &self.rows {
            let ([rate, memory, cpu], mean, rmse) = (score.r2, score.r2_mean, score.rmse);
            writeln!(
                f,
                "{name:<22} {rate:>8.3} {memory:>8.3} {cpu:>8.3} {:>9.3} {:>9.3} {:>9.3} {:>9.4} \
                 {:>9.4} {:>9.4}",
                mean[0], mean[1], mean[2], rmse[0], rmse[1], rmse[2]
            )?;
        }
        Ok(())
    }
}
