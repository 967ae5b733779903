//! `strata report`

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use strata_catalogue::DEFAULT;
use strata_cluster::{Ended, Options, StartFlags, serve};
use strata_domain::{MAX_SLA_PENALTY, Objective, Weights};
use strata_simulator::{Scope, Trace, World, WorldOptions};
use strata_terminal::say;

use crate::report::{self, Subject};

/// Replay a trace with the decisions of the services and of baselines, and report the outcomes.
///
/// Starts the four services on free ports. Writes report.html, report.json and pictures.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// A trace: a directory of three files that end in _invocations.csv, _durations.csv and
    /// _memory.csv, or the first of them; or one file of calls with the columns app, func,
    /// end_timestamp and duration. With or without .gz [default: the held-out part of the bundled
    /// trace]
    #[arg(long, value_name = "PATH")]
    trace: Option<PathBuf>,
    /// Directory to write to
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    /// Weights of cost, performance and carbon; scaled to a sum of 1
    #[arg(long, value_name = "COST,PERFORMANCE,CARBON", value_parser = weights)]
    weights: Option<Weights>,
    /// Latency of the SLA, in ms [default: 1000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..))]
    sla_ms: Option<u32>,
    /// Penalty for avoidable SLA violations, 0 to 100 [default: 2]
    #[arg(long, value_name = "PENALTY", value_parser = penalty)]
    sla_penalty: Option<f64>,
    #[command(flatten)]
    start: StartFlags,
}

impl Report {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let catalogue = self.start.catalogue().unwrap_or(DEFAULT).to_owned();
        let subject = self.subject(&catalogue)?;
        std::fs::create_dir_all(&self.out).with_context(|| {
            format!("{} cannot be made; name another --out", self.out.display())
        })?;
        let bar = ProgressBar::hidden();
        let options = Options { catalogue: Some(catalogue), ..self.start.options_with_bar(&bar) };
        let served = serve(options, async |running| report::ask(&subject, &running, &bar).await);
        let answers = match served.await? {
            Ended::Done(answers) => answers,
            Ended::Interrupted(code) => return Ok(code),
        };
        let results = report::judge(&subject, answers);
        report::write(&results, &self.out)?;
        say(report::headline(&results))?;
        say(format_args!("written: {}", self.out.join("report.html").display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn subject(&self, catalogue: &str) -> anyhow::Result<Subject> {
        let catalogue = Arc::new(strata_catalogue::load(catalogue)?.catalogue);
        let (name, trace, scope) = match &self.trace {
            Some(path) => {
                (path.display().to_string(), Trace::from_path(path)?, Scope::everything())
            }
            None => {
                let trace = Trace::bundled().context("the bundled trace")?;
                (
                    "the bundled trace (held-out functions and hours)".to_owned(),
                    trace,
                    Scope::held_out(),
                )
            }
        };
        // The objective of the tactical layer, which decides the placement.
        let usual = Objective::tactical();
        let objective = Objective {
            weights: self.weights.unwrap_or(usual.weights),
            sla_ms: self.sla_ms.map_or(usual.sla_ms, f64::from),
            sla_penalty: self.sla_penalty.unwrap_or(usual.sla_penalty),
        };
        let options = WorldOptions { sla_ms: objective.sla_ms as u32, ..WorldOptions::default() };
        let world = World::new(trace, options, catalogue);
        let models = self.start.models();
        Ok(Subject { name, world, scope, objective, models })
    }
}

fn weights(text: &str) -> Result<Weights, String> {
    let parts: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match parts.as_deref() {
        Ok(&[cost, performance, carbon]) => {
            Weights::new(cost, performance, carbon).map_err(|error| error.to_string())
        }
        _ => {
            Err("must be three numbers with commas between them, such as 0.4,0.35,0.25".to_owned())
        }
    }
}

fn penalty(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=MAX_SLA_PENALTY).contains(value));
    value.ok_or_else(|| format!("must be a number from 0 to {MAX_SLA_PENALTY}"))
}
