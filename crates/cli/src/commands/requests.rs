//! `strata requests`

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use strata_catalogue::DEFAULT;
use strata_load::{Part, trace_requests};
use strata_terminal::say;

use crate::protojson;

/// Write decision requests made from the bundled trace, for ghz and the like.
///
/// The output is a JSON array of DecideRequest messages in protobuf's JSON form, a line for each.
#[derive(Debug, Args)]
pub(crate) struct Requests {
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
    /// Part of the trace they are made from
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// Catalogue that functions are placed on: a built-in name, or a YAML file
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    catalogue: String,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Requests {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let catalogue = Arc::new(strata_catalogue::load(&self.catalogue)?.catalogue);
        let requests = trace_requests(self.part, self.limit, catalogue)?;
        let lines = requests.iter().map(|r| Ok(protojson::to_value(&r.request)?.to_string()));
        let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
        let text = format!("[\n{}\n]", lines.join(",\n"));
        match &self.out {
            None => say(text)?,
            Some(path) => std::fs::File::create(path)
                .and_then(|mut file| writeln!(file, "{text}"))
                .with_context(|| format!("{} cannot be written", path.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
