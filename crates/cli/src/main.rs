//! `strata`: starts the services, asks them for decisions, replays the bundled trace, reports.

mod answer;
mod commands;
mod protojson;
mod replay;
mod report;
mod request;

use std::process::ExitCode;

use clap::Parser;
use strata_terminal::run_command;

use crate::commands::Arguments;

fn main() -> ExitCode {
    run_command("strata", Arguments::parse().run())
}
