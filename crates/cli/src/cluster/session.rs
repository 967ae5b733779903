//! Services that run as long as a piece of work takes.

use std::process::ExitCode;

use super::{Cluster, Options, Service};
use crate::signals::Signals;

/// What the work needs to know.
pub(crate) struct Running {
    /// The coordinator.
    pub(crate) endpoint: String,
    /// The operational layer; `None` where only the coordinator is known.
    pub(crate) operational: Option<String>,
}

/// How it came to an end.
pub(crate) enum Ended<T> {
    /// The work was done.
    Done(T),
    /// A signal came first; this is the exit code it stands for.
    Interrupted(ExitCode),
}

/// Starts the four services, does the work, and drains them whatever became of it. A signal ends
/// the work, and a second one ends everything at once.
///
/// # Errors
/// Those of the work, of a service that ended during it, and of one that did not stop well.
pub(crate) async fn serve<T>(
    options: Options,
    work: impl AsyncFnOnce(Running) -> anyhow::Result<T>,
) -> anyhow::Result<Ended<T>> {
    let mut signals = Signals::listen()?;
    let mut cluster = tokio::select! {
        started = Cluster::start(options) => started?,
        code = signals.next() => return Ok(Ended::Interrupted(code.into())),
    };
    let running = Running {
        endpoint: cluster.plan().endpoint(Service::Coordinator),
        operational: Some(cluster.plan().endpoint(Service::Operational)),
    };
    let outcome = tokio::select! {
        done = work(running) => done.map(Ended::Done),
        failure = cluster.failure() => Err(failure),
        code = signals.next() => Ok(Ended::Interrupted(code.into())),
    };
    let stopped = tokio::select! {
        stopped = cluster.stop() => stopped,
        code = signals.next() => return Ok(Ended::Interrupted(code.into())),
    };
    // The error of the work is the cause of the other, if there are two.
    outcome.and_then(|ended| stopped.map(|()| ended))
}
