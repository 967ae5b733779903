//! `strata-bench`: throughput, latency, processor time and memory of the services and of peers.

mod arguments;
mod callers;
mod case;
mod chain;
mod figures;
mod layers;
mod memory;
mod process_group;
mod reload;
mod rows;
mod servers;
mod suite;

use std::process::ExitCode;

use clap::Parser;
use strata_terminal::run_command;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    run_command("strata-bench", Arguments::parse().run())
}
