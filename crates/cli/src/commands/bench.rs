//! `strata bench`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_wire::pb;

use super::up::Start;
use crate::bench::{Case, EchoProcess, ProcessMemory, Report};
use crate::cluster::{self, Ended, Options, Ports, Running};
use crate::histogram::Latencies;
use crate::load::{Measured, Stream, UnaryLoad, run_stream, run_unary};
use crate::workload::{self, Part};
use crate::{memory, output, time_flag};

/// Measure throughput, latency and memory on this machine.
///
/// Starts the four services on free ports and calls them with requests made from the bundled trace,
/// next to a bare tonic server that takes the same requests and answers with nothing. The callers
/// run on the same machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Time each way of calling is measured, after as much warm-up, at most a second
    #[arg(long, value_name = "TIME", default_value = "10s")]
    #[arg(value_parser = time_flag::parse)]
    duration: Duration,
    /// Measure this running coordinator instead of starting one; memory is not measured then
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// How many callers `Decide` has at once, one measurement for each number
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,8,64")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    callers: Vec<u16>,
    /// Write the figures to this file as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    start: Start,
}

const ECHO: &str = "bare tonic echo";
const DECIDE: &str = "Decide";
const STREAM: &str = "DecideStream";
const STREAM_IN_FLIGHT: usize = 256;
const REQUESTS: usize = 4096;
const MAX_WARM_UP: Duration = Duration::from_secs(1);

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let requests = workload::requests(Part::Test, REQUESTS)?;
        let requests =
            Arc::new(requests.into_iter().map(|traced| traced.request).collect::<Vec<_>>());
        let bar = ProgressBar::hidden()
            .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
        let measuring = Measuring {
            duration: self.duration,
            callers: self.callers.into_iter().map(usize::from).collect(),
            requests,
            bar,
        };
        let report = match self.endpoint {
            Some(endpoint) => {
                let running = Running { endpoint, operational: None, pids: Vec::new() };
                measuring.all(running).await?
            }
            None => {
                let options = Options { quiet: true, ..self.start.options(Ports::Free) };
                match cluster::serve(options, async |running| measuring.all(running).await).await? {
                    Ended::Done(report) => report,
                    Ended::Interrupted(code) => return Ok(code),
                }
            }
        };
        output::say(report.text())?;
        if let Some(path) = self.json {
            let json = serde_json::to_string_pretty(&report)? + "\n";
            std::fs::write(&path, json)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

struct Measuring {
    duration: Duration,
    callers: Vec<usize>,
    requests: Arc<Vec<pb::DecideRequest>>,
    bar: ProgressBar,
}

impl Measuring {
    async fn all(&self, running: Running) -> anyhow::Result<Report> {
        self.bar.set_length(2 * self.callers.len() as u64 + 1);
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        let warm_up = self.duration.min(MAX_WARM_UP);
        let echo = EchoProcess::start().await?;
        let mut report = Report::default();
        for (name, endpoint) in [(ECHO, echo.endpoint()), (DECIDE, &running.endpoint)] {
            for &callers in &self.callers {
                self.bar.set_message(format!("{name}, {callers} callers"));
                self.unary(endpoint, callers, warm_up).await?;
                let measured = self.unary(endpoint, callers, self.duration).await?;
                report.cases.push(Case::new(name, callers, measured));
                self.bar.inc(1);
            }
        }
        self.bar.set_message(format!("{STREAM}, {STREAM_IN_FLIGHT} in flight"));
        self.stream(&running.endpoint, warm_up).await?;
        let measured = self.stream(&running.endpoint, self.duration).await?;
        report.cases.push(Case::new(STREAM, STREAM_IN_FLIGHT, measured));
        for (service, pid) in running.pids {
            let memory = memory::of(pid)?;
            report.memory.push(ProcessMemory { service: service.name(), memory });
        }
        self.bar.finish_and_clear();
        Ok(report.compared(ECHO))
    }

    async fn unary(
        &self,
        endpoint: &str,
        callers: usize,
        duration: Duration,
    ) -> anyhow::Result<Measured> {
        let endpoint = endpoint.to_owned();
        let requests = self.requests.clone();
        run_unary(&UnaryLoad { endpoint, callers, duration, requests }).await
    }

    async fn stream(&self, endpoint: &str, duration: Duration) -> anyhow::Result<Measured> {
        let stream = Stream { endpoint: endpoint.to_owned(), in_flight: STREAM_IN_FLIGHT };
        let until = Instant::now() + duration;
        let requests = self.requests.iter().cycle().take_while(|_| Instant::now() < until);
        let (mut latencies, mut errors) = (Latencies::new()?, BTreeMap::new());
        let elapsed = run_stream(&stream, requests.cloned(), |_, took, result| {
            latencies.record(took);
            if let pb::decide_stream_response::Result::Fault(fault) = result {
                *errors.entry(fault.kind().as_str_name()).or_default() += 1;
            }
        });
        let elapsed = elapsed.await?;
        Ok(Measured { latencies, errors, elapsed })
    }
}
