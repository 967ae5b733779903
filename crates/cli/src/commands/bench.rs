//! `strata bench`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_wire::pb;

use super::up::Start;
use crate::bench::{
    Case, EchoProcess, Figures, Machine, PeerFiles, Place, Places, Report, Rows, Server, Servers,
    StartServers, Suite, chain_program,
};
use crate::signals::Signals;
use crate::workload::{self, Part};
use crate::{output, time_flag};

/// Measure throughput, latency, processor time and memory on this machine.
///
/// Starts the services in several ways on free ports, next to a bare tonic server and to peers made with Python, and loads one after the
/// other with requests made from the bundled trace, in several rounds; the medians of the rounds count. The callers run on the same machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How often everything is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long each load lasts [default: 2s, or 100ms with --quick]
    #[arg(long, visible_alias = "seconds", value_name = "TIME", value_parser = seconds)]
    duration: Option<Duration>,
    /// One round of short loads: to see that everything runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Measure only what has a name that begins with one of these (`echo`, `decide_unary`, `reload`), comma separated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Measure this running coordinator next to the bare server, and nothing else
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// How many callers that coordinator has at once, one measurement for each number
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,8,64")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096), requires = "endpoint")]
    callers: Vec<u16>,
    /// Write the figures to this file as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory of the peers' sources
    #[arg(long, value_name = "DIR", default_value = "tests/peers")]
    peers: PathBuf,
    /// The Python that runs the peers
    #[arg(long, value_name = "FILE", default_value = ".venv-peers/bin/python")]
    peers_python: PathBuf,
    #[command(flatten)]
    start: Start,
}

const REQUESTS: usize = 4096;
const DURATION: Duration = Duration::from_secs(2);
const QUICK: Duration = Duration::from_millis(100);

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        if self.cases().is_empty() {
            bail!("--only {} is the beginning of no measurement's name", self.only.join(","));
        }
        let report = tokio::select! {
            report = self.report() => report?,
            // Dropping what was started ends it.
            code = signals.next() => return Ok(ExitCode::from(code)),
        };
        output::say(report.text())?;
        if let Some(path) = &self.json {
            write(path, &(serde_json::to_string_pretty(&report.json())? + "\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn duration(&self) -> Duration {
        self.duration.unwrap_or(if self.quick { QUICK } else { DURATION })
    }

    async fn report(&self) -> anyhow::Result<Report> {
        let bar = ProgressBar::hidden()
            .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {eta} {msg}")?);
        let echo = EchoProcess::start().await?;
        let cases = self.cases();
        let mut servers = self.servers(&cases, &bar).await?;
        let place = Place { endpoint: echo.endpoint().to_owned(), groups: Vec::new() };
        servers.places.insert(Server::Echo, place);
        let figures = self.measure(&mut servers, &cases, &bar).await;
        let left_out = std::mem::take(&mut servers.left_out);
        let stopped = servers.stop().await;
        let figures = figures?;
        stopped?;
        Ok(Report {
            machine: Machine::this(),
            cases,
            rounds: self.rounds(),
            seconds: self.duration().as_secs_f64(),
            figures,
            left_out,
        })
    }

    fn cases(&self) -> Vec<Case> {
        let cases = match &self.endpoint {
            Some(_) => {
                let callers: Vec<_> = self.callers.iter().copied().map(usize::from).collect();
                Case::of_coordinator(&callers)
            }
            None => Case::all(),
        };
        let wanted = |case: &Case| {
            self.only.is_empty() || self.only.iter().any(|name| case.name().starts_with(name))
        };
        cases.into_iter().filter(wanted).collect()
    }

    async fn servers(&self, cases: &[Case], bar: &ProgressBar) -> anyhow::Result<Servers> {
        if let Some(endpoint) = &self.endpoint {
            let place = Place { endpoint: endpoint.clone(), groups: Vec::new() };
            return Ok(Servers::elsewhere(Places::from([(Server::Cluster, place)])));
        }
        let files = PeerFiles {
            sources: self.peers.clone(),
            python: self.peers_python.clone(),
            models: self.start.models(),
        };
        let start = StartServers {
            bin_dir: &self.start.bin_dir()?,
            options: &|| self.start.behind(bar),
            peers: &files,
        };
        Servers::start(&start, cases).await
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { usize::from(self.rounds) }
    }

    async fn measure(
        &self,
        servers: &mut Servers,
        cases: &[Case],
        bar: &ProgressBar,
    ) -> anyhow::Result<Figures> {
        let chain = match &self.endpoint {
            Some(_) => None,
            None => chain_program(&self.start.bin_dir()?),
        };
        if chain.is_none() && cases.contains(&Case::Chain) {
            servers.leave_out("the chain in process: there is no program chain; run `make bench`");
        }
        let requests: Vec<pb::DecideRequest> =
            workload::requests(Part::Test, REQUESTS)?.into_iter().map(|r| r.request).collect();
        let suite = Suite {
            servers,
            rows: Rows::of(&requests),
            requests: Arc::new(requests),
            duration: self.duration(),
            options: &|| self.start.behind(bar),
            chain: chain.map(|program| (program, self.start.models())),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        let figures = suite.run(cases, self.rounds(), bar).await;
        bar.finish_and_clear();
        figures
    }
}

/// Reads a time; a mere number is seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(_) => time_flag::parse(&format!("{text}s")),
        Err(_) => time_flag::parse(text),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
