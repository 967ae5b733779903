//! The operational layer as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    strata_layers::operational()
}
