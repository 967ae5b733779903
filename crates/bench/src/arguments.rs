//! The command line.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_cluster::StartFlags;
use strata_load::{Part, trace_requests};
use strata_terminal::{Signals, parse_duration, say};
use strata_wire::pb;

use crate::{
    case::{Case, Server},
    chain,
    figures::{Figures, Machine, Report},
    rows::Rows,
    servers::{EchoProcess, PeerFiles, Place, Places, Servers, StartServers, serve_echo},
    suite::Suite,
};

/// Measure throughput, latency, processor time and memory on this machine.
///
/// Starts the services in several ways on free ports, a bare tonic server, and peers made with
/// Python. Loads one after the other with requests made from the bundled trace, in several rounds,
/// and shows the medians of the rounds. The callers run on the same machine.
#[derive(Debug, Parser)]
#[command(name = "strata-bench", version)]
pub(crate) struct Arguments {
    /// How many rounds are measured
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long each load lasts [default: 2s, or 100ms with --quick]
    #[arg(long, visible_alias = "seconds", value_name = "TIME", value_parser = seconds)]
    duration: Option<Duration>,
    /// One round of short loads: shows that everything runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Measure only the cases whose names begin with one of these (`echo`, `decide_unary`,
    /// `reload`), comma separated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Measure only this running coordinator, next to the bare server
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Numbers of concurrent callers of that coordinator, each measured on its own
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,8,64")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096), requires = "endpoint")]
    callers: Vec<u16>,
    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory of the sources of the peers
    #[arg(long, value_name = "DIR", default_value = "tests/peers")]
    peers: PathBuf,
    /// The Python that runs the peers
    #[arg(long, value_name = "FILE", default_value = ".venv-peers/bin/python")]
    peers_python: PathBuf,
    #[command(flatten)]
    start: StartFlags,
    /// Serve the bare server and nothing else: this program starts itself so
    #[arg(long, hide = true, exclusive = true)]
    echo_server: bool,
}

const REQUESTS: usize = 4096;
const DURATION: Duration = Duration::from_secs(2);
const QUICK: Duration = Duration::from_millis(100);

impl Arguments {
    /// Measures, and shows the report.
    ///
    /// # Errors
    /// When a server cannot be started or reached, or a file cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.echo_server {
            serve_echo().await?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut signals = Signals::listen()?;
        if self.cases().is_empty() {
            bail!("--only {} is the beginning of no measurement's name", self.only.join(","));
        }
        let report = tokio::select! {
            report = self.report() => report?,
            // Dropping the future ends everything that was started.
            code = signals.next() => return Ok(ExitCode::from(code)),
        };
        say(report.text())?;
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
            options: &|| self.start.options_with_bar(bar),
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
            None => chain::program(&self.start.bin_dir()?),
        };
        if chain.is_none() && cases.contains(&Case::Chain) {
            servers.leave_out("the chain in process: there is no program chain; run `make bench`");
        }
        let catalogue = self.start.catalogue().unwrap_or(strata_catalogue::DEFAULT);
        let catalogue = Arc::new(strata_catalogue::load(catalogue)?.catalogue);
        let requests = trace_requests(Part::Test, REQUESTS, Arc::clone(&catalogue))?;
        let requests: Vec<pb::DecideRequest> = requests.into_iter().map(|r| r.request).collect();
        let suite = Suite {
            servers,
            rows: Rows::of(&requests, &catalogue),
            requests: Arc::new(requests),
            duration: self.duration(),
            options: &|| self.start.options_with_bar(bar),
            chain: chain.map(|program| (program, self.start.models())),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        let figures = suite.run(cases, self.rounds(), bar).await;
        bar.finish_and_clear();
        figures
    }
}

/// Parses a duration; a number without a unit is in seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(_) => parse_duration(&format!("{text}s")),
        Err(_) => parse_duration(text),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_bounded() {
        for flag in ["--ready-within", "--duration"] {
            parse(&format!("strata-bench {flag} 1h")).unwrap();
            for time in ["0s", "61m", "100000000000y"] {
                let error = parse(&format!("strata-bench {flag} {time}")).unwrap_err().to_string();
                assert!(error.contains("above 0 and at most 1h"), "{flag} {time}: {error}");
            }
        }
    }
}
