//! The life of a process, from the command line to the exit code.

mod signals;

use std::{io::Write, num::NonZeroUsize, process::ExitCode, time::Duration};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    activity::idle_poll,
    config::{self, Binary, Check, Invocation, RuntimeConfig, ShutdownConfig, TelemetryConfig},
    drain::Drain,
    metrics::Metrics,
    report::{BoxError, report},
    telemetry::Telemetry,
};

/// What every process allocates with. ONNX Runtime allocates with the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole configuration of a binary: any tree of settings that has the sections [`run`] needs.
pub trait ProcessConfig:
    Default + Serialize + DeserializeOwned + JsonSchema + Check + Send + Sync + 'static
{
    /// The sections that are the process's own.
    fn process(&self) -> ProcessSettings<'_>;
}

/// The sections of a configuration that [`run`] obeys before the binary's own code starts.
#[derive(Debug, Clone, Copy)]
pub struct ProcessSettings<'a> {
    /// Traces and logs.
    pub telemetry: &'a TelemetryConfig,
    /// The drain.
    pub shutdown: &'a ShutdownConfig,
    /// Threads.
    pub runtime: &'a RuntimeConfig,
    /// Cores for each thread that runs async tasks, where `runtime` does not say how many threads
    /// there are: 1, or more where other threads do most of the work.
    pub cores_per_worker: usize,
}

/// What a binary's own code is given.
#[derive(Debug)]
pub struct Process<C> {
    /// What it is called.
    pub binary: Binary,
    /// The settings in effect.
    pub config: C,
    /// The registry of metrics that `/metrics` shows.
    pub metrics: Metrics,
    /// Started by the first signal.
    pub drain: Drain,
}

/// Exit code of a configuration that cannot be used, as of a command line that cannot.
const EXIT_USAGE: u8 = 2;

/// Time for tasks to notice that the runtime is gone; whatever they held is accounted for by then.
const RUNTIME_STOP: Duration = Duration::from_millis(100);

/// Runs a binary: reads the configuration, starts the runtime, logs, traces and signal handling,
/// runs `main`, and flushes telemetry last, within what `main` left of the grace budget.
///
/// Exit codes: 0 after `main` returned `Ok`, 1 after it returned an error or outlived
/// the grace budget, 2 for a configuration that cannot be used, 130 or 143 after a second SIGINT or
/// SIGTERM.
pub fn run<C, M, F>(binary: Binary, main: M) -> ExitCode
where
    C: ProcessConfig,
    M: FnOnce(Process<C>) -> F,
    F: Future<Output = Result<(), BoxError>>,
{
    let config = match config::load::<C>(&binary, std::env::args_os(), std::env::vars_os()) {
        Ok(Invocation::Run(config)) => *config,
        Ok(Invocation::Print(text)) => return print(&text),
        Err(error) => {
            complain(&binary, &report(&error).to_string());
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(workers(&config.process()));
    let runtime = match runtime.enable_all().thread_name(binary.name).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&binary, &format!("the async runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(supervise(binary, config, main));
    runtime.shutdown_timeout(RUNTIME_STOP);
    code
}

/// Threads that run async tasks.
fn workers(settings: &ProcessSettings<'_>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let unset = || cores().div_ceil(settings.cores_per_worker.max(1));
    settings.runtime.worker_threads.unwrap_or_else(unset)
}

async fn supervise<C, M, F>(binary: Binary, config: C, main: M) -> ExitCode
where
    C: ProcessConfig,
    M: FnOnce(Process<C>) -> F,
    F: Future<Output = Result<(), BoxError>>,
{
    let metrics = Metrics::new(&binary);
    let telemetry = match Telemetry::init(config.process().telemetry, &binary, &metrics) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            complain(&binary, &report(&error).to_string());
            return ExitCode::FAILURE;
        }
    };
    let ShutdownConfig { grace, settle } = *config.process().shutdown;
    let drain = Drain::new(grace, settle);
    let time = config.process().runtime.idle_poll;
    if !time.is_zero() {
        tokio::spawn(idle_poll(drain.activity().clone(), time));
    }
    if let Err(error) = signals::listen(drain.clone()) {
        complain(&binary, &format!("signals cannot be handled: {error}"));
        return ExitCode::FAILURE;
    }
    tracing::info!(binary = binary.name, version = binary.version, "starting");
    let process = Process { binary, config, metrics, drain: drain.clone() };
    let code = match within_grace(&drain, main(process)).await {
        Some(Ok(())) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Some(Err(error)) => {
            tracing::error!(error = %report(error.as_ref()), "stopped by an error");
            ExitCode::FAILURE
        }
        None => {
            tracing::error!(in_flight = drain.in_flight(), "grace budget spent, stopping anyway");
            ExitCode::FAILURE
        }
    };
    telemetry.flush(drain.remaining()).await;
    code
}

/// The outcome of `main`, or nothing if it is still running when the grace budget is over.
async fn within_grace<F: Future>(drain: &Drain, main: F) -> Option<F::Output> {
    tokio::select! {
        outcome = main => Some(outcome),
        () = async {
            drain.started().await;
            tokio::time::sleep(drain.remaining()).await;
        } => None,
    }
}

fn print(text: &str) -> ExitCode {
    let text = text.trim_end();
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        // The reader left (`--help | head -1`): nobody is there to be told.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Before there is a log there is standard error; if that is closed nothing can be said at all.
fn complain(binary: &Binary, problem: &str) {
    let _ = writeln!(std::io::stderr(), "{}: {problem}", binary.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_as_many_as_said_or_a_share_of_the_cores() {
        let (telemetry, shutdown) = Default::default();
        let workers_of = |worker_threads, cores_per_worker| {
            let runtime = RuntimeConfig { worker_threads, ..RuntimeConfig::default() };
            let (telemetry, shutdown) = (&telemetry, &shutdown);
            workers(&ProcessSettings { telemetry, shutdown, runtime: &runtime, cores_per_worker })
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        assert_eq!(workers_of(None, 1), cores);
        assert_eq!(workers_of(None, 2), cores.div_ceil(2));
        assert_eq!(workers_of(None, usize::MAX), 1);
        assert_eq!(workers_of(Some(7), 2), 7);
    }
}
