//! `strata decide`

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use strata_load::{DEFAULT_ENDPOINT, Refusal, coordinator};
use strata_terminal::{parse_duration, say};

use crate::{
    answer, protojson,
    request::{self, RequestFlags},
};

/// Ask for one decision.
///
/// The request comes from flags, or from a file in protobuf's JSON form.
#[derive(Debug, Args)]
// The coordinator refuses -3 ms by the name of the field.
#[command(allow_negative_numbers = true)]
pub(crate) struct Decide {
    /// File with a DecideRequest in protobuf's JSON form; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = request::FLAG_GROUPS)]
    file: Option<PathBuf>,
    /// Print the answer in protobuf's JSON form
    #[arg(long)]
    json: bool,
    /// The coordinator
    #[arg(long, value_name = "URL", env = "STRATA_ENDPOINT")]
    #[arg(default_value = DEFAULT_ENDPOINT)]
    endpoint: String,
    /// Time the decision may take
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    request: RequestFlags,
}

impl Decide {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let asked = match &self.file {
            Some(path) => request::from_file(path)?,
            None => self.request.build()?,
        };
        let mut client = coordinator(&self.endpoint)?;
        let mut call = tonic::Request::new(asked.clone());
        call.set_timeout(self.timeout);
        // The server observes the deadline; this ends the wait for a server that does not answer.
        let answered = tokio::time::timeout(self.timeout + SLACK, client.decide(call)).await;
        let response = answered
            .with_context(|| format!("{} does not answer", self.endpoint))?
            .map_err(Refusal::of)
            .with_context(|| format!("no decision from {}", self.endpoint))?
            .into_inner();
        if self.json {
            say(format_args!("{:#}", protojson::to_value(&response)?))?;
        } else {
            say(answer::text(&asked, &response))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Time for the answer, or the refusal, to arrive.
const SLACK: Duration = Duration::from_secs(1);
