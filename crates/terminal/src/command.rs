//! A command from its start to its exit code.

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::lines::note;

/// Runs `command` on a new async runtime and returns its exit code. An error is printed after the
/// name of the program, with the exit code 1.
pub fn run_command(
    program: &str,
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            note(format_args!("{program}: the async runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(command);
    // A blocking read of standard input must not delay the exit.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        note(format_args!("{program}: {error:#}"));
        ExitCode::FAILURE
    })
}
