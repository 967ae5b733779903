//! The coordinator as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    strata_coordinator::run()
}
