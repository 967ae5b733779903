//! `strata catalogue`

mod check;
mod diff;
mod list;
mod reload;
mod show;
mod tables;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use strata_terminal::say;

/// List, show, check and compare catalogues of placements.
///
/// A catalogue is the name of a built-in one, or a YAML file. docs/catalogue.md has the format.
#[derive(Debug, Args)]
pub(crate) struct Catalogues {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the built-in catalogues, or the platforms and regions of one
    List(list::List),
    /// Print a catalogue as YAML, with all that it extends
    Show(show::Show),
    /// Say everything that is wrong with a catalogue, odd about it, or old
    Check(check::Check),
    /// Say what differs between two catalogues
    Diff(diff::Diff),
    /// Print the JSON Schema of the format
    Schema,
    /// Make coordinators read their catalogue again, as SIGHUP does
    Reload(reload::Reload),
}

impl Catalogues {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(command) => command.run().await,
            Command::Show(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Diff(command) => command.run(),
            Command::Schema => {
                say(format_args!("{:#}", strata_catalogue::json_schema()))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Reload(command) => command.run().await,
        }
    }
}
