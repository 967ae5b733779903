//! `strata`: starts the services, asks them for decisions, replays the bundled trace, measures.

mod answer;
mod bench;
mod cluster;
mod commands;
mod connection;
mod failure;
mod histogram;
mod load;
mod memory;
mod output;
mod process_group;
mod protojson;
mod replay;
mod report;
mod request;
mod signals;
mod table;
mod time_flag;
mod workload;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::run(commands::Arguments::parse())
}
