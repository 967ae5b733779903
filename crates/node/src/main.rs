//! The four services as one process.

use std::process::ExitCode;

fn main() -> ExitCode {
    strata_node::run()
}
