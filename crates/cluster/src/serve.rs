//! Services that run for as long as a piece of work takes.

use std::process::ExitCode;

use strata_terminal::Signals;

use crate::{
    cluster::{Cluster, Options},
    service::Service,
};

/// The endpoints of running services.
pub struct Running {
    /// The endpoint of the coordinator.
    pub endpoint: String,
    /// The endpoint of the operational layer.
    pub operational: String,
}

/// How the work ended.
pub enum Ended<T> {
    /// The work was completed.
    Done(T),
    /// A signal came first; this is its exit code.
    Interrupted(ExitCode),
}

/// Starts the four services, does the work, and drains the services whatever its outcome. A signal
/// ends the work; a second signal ends everything at once.
///
/// # Errors
/// When the work fails, a service ends during it, or a service does not stop cleanly.
pub async fn serve<T>(
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
        operational: cluster.plan().endpoint(Service::Operational),
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
    // If both failed, the error of the work is the cause.
    outcome.and_then(|ended| stopped.map(|()| ended))
}
