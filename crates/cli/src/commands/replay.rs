//! `strata replay`

use std::{fmt::Write, process::ExitCode, sync::Arc};

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use strata_catalogue::DEFAULT;
use strata_cluster::{Ended, Options, StartFlags, serve};
use strata_load::{DEFAULT_ENDPOINT, Part, Stream, TraceRequest, run_stream, trace_requests};
use strata_terminal::say;

use crate::replay::Tally;

/// Replay the bundled trace through DecideStream and show what was decided.
///
/// One request for every function and every 25 minutes in which it is called, in the order of time.
/// Exits with 1 if any request was not decided.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The coordinator
    #[arg(long, value_name = "URL", env = "STRATA_ENDPOINT")]
    #[arg(default_value = DEFAULT_ENDPOINT)]
    endpoint: String,
    /// At most this many requests
    #[arg(long, value_name = "COUNT", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    /// Part of the trace
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
    /// Requests in flight: sent and not answered yet
    #[arg(long, value_name = "COUNT", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=8192))]
    in_flight: u32,
    /// Start the four services on free ports first, and stop them at the end
    #[arg(long)]
    up: bool,
    #[command(flatten)]
    start: StartFlags,
}

impl Replay {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let catalogue = self.start.catalogue().unwrap_or(DEFAULT).to_owned();
        let placements = Arc::new(strata_catalogue::load(&catalogue)?.catalogue);
        let requests = trace_requests(self.part, self.limit, placements)?;
        // The bar is drawn when the first request is sent.
        let bar = ProgressBar::hidden();
        let stream = Stream { endpoint: self.endpoint, in_flight: self.in_flight as usize };
        if !self.up {
            return replay(stream, &requests, &bar).await;
        }
        // The services choose from the catalogue that the requests are made of.
        let options = Options { catalogue: Some(catalogue), ..self.start.options_with_bar(&bar) };
        let ended = serve(options, async |running| {
            replay(Stream { endpoint: running.endpoint, ..stream }, &requests, &bar).await
        });
        match ended.await? {
            Ended::Done(code) | Ended::Interrupted(code) => Ok(code),
        }
    }
}

async fn replay(
    stream: Stream,
    requests: &[TraceRequest],
    bar: &ProgressBar,
) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::new()?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {rate} {eta}")?;
    bar.set_style(style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
        // The replay goes on without the bar.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    }));
    bar.set_length(requests.len() as u64);
    bar.reset();
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let replayed = run_stream(
        &stream,
        requests.iter().map(|traced| traced.request.clone()),
        |number, took, result| {
            tally.count(&requests[number], took, result);
            bar.inc(1);
        },
    )
    .await;
    bar.finish_and_clear();
    let elapsed = replayed?;
    say(tally.report(elapsed))?;
    match tally.faults() {
        0 => Ok(ExitCode::SUCCESS),
        faults => bail!("{faults} of {} requests were not decided", requests.len()),
    }
}
