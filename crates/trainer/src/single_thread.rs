//! One thread for the arithmetic.

use std::process::{Command, ExitCode};

/// The variable by which candle and its matrix products are told how many threads to use. Unset,
/// candle reads `/proc/cpuinfo` before every single product, which costs networks this small half
/// their time.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Does `work` in this process when the number of threads is chosen already; else starts this
/// program anew with one thread. With one thread every sum has one order, so that the same seed
/// gives the same weights, and products this small gain nothing from more.
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
        // Slower, and no less right.
        Err(_) => work(),
    }
}
