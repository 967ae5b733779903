//! `strata decide`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::failure::Refusal;
use crate::request::{self, RequestFlags};
use crate::{answer, connection, output, protojson, time_flag};

/// Ask for one decision.
///
/// The request comes from flags, or from a file in protobuf's JSON form.
#[derive(Debug, Args)]
// Whether -3 ms make sense the coordinator says, by the name of the field.
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
    #[arg(default_value = connection::DEFAULT_ENDPOINT)]
    endpoint: String,
    /// Time the decision may take
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = time_flag::parse)]
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
        let mut client = connection::coordinator(&self.endpoint)?;
        let mut call = tonic::Request::new(asked.clone());
        call.set_timeout(self.timeout);
        // The server keeps the deadline; this is for one that does not answer at all.
        let answered = tokio::time::timeout(self.timeout + SLACK, client.decide(call)).await;
        let response = answered
            .with_context(|| format!("{} does not answer", self.endpoint))?
            .map_err(Refusal::of)
            .with_context(|| format!("no decision from {}", self.endpoint))?
            .into_inner();
        if self.json {
            output::say(format_args!("{:#}", protojson::to_value(&response)?))?;
        } else {
            output::say(answer::text(&asked, &response))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Time for the answer, or the refusal, to travel.
const SLACK: Duration = Duration::from_secs(1);
