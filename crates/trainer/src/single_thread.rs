//! Runs the arithmetic on one thread.

use std::process::{Command, ExitCode};

/// The number of threads that candle and its matrix products use. If the variable is not set,
/// candle reads `/proc/cpuinfo` before every product, which takes half of the time of networks this
/// small.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Does `work` in this process if the number of threads is set already; else starts this program
/// again with one thread. With one thread every sum has one order, so that the same seed gives the
/// same weights. Products this small do not gain from more threads.
pub(crate) fn run(work: impl FnOnce() -> ExitCode) -> ExitCode {
    if std::env::var_os(VARIABLE).is_some() {
        return work();
    }
    let again = std::env::current_exe().and_then(|program| {
        Command::new(program).args(std::env::args_os().skip(1)).env(VARIABLE, "1").status()
    });
    match again {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // Working in this process is slower, but as correct.
        Err(_) => work(),
    }
}
