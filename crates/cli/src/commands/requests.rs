//! `strata requests`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::workload::{self, Part};
use crate::{output, protojson};

/// Write decision requests made from the bundled trace, for ghz and the like.
///
/// One JSON array of DecideRequest messages in protobuf's JSON form.
#[derive(Debug, Args)]
pub(crate) struct Requests {
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
    /// Part of the trace they are made from
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Requests {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let requests = workload::requests(self.part, self.limit)?;
        // A line for each request.
        let lines = requests.iter().map(|r| Ok(protojson::to_value(&r.request)?.to_string()));
        let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
        let text = format!("[\n{}\n]", lines.join(",\n"));
        match &self.out {
            None => output::say(text)?,
            Some(path) => std::fs::File::create(path)
                .and_then(|mut file| writeln!(file, "{text}"))
                .with_context(|| format!("{} cannot be written", path.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
