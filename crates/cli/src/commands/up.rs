//! `strata up`

use std::process::ExitCode;

use clap::Args;
use strata_cluster::{Cluster, Ports, Service, StartFlags};
use strata_terminal::{Signals, note, say};

/// Start the four services and keep them running until Ctrl-C, which drains them.
///
/// They listen on loopback: gRPC on 50050 (coordinator) to 50053, admin HTTP on 9050 to 9053.
/// Environment variables set every setting of a service, its listeners included:
/// STRATA_STRATEGIC_GRPC_LISTEN, STRATA_COORDINATOR_ADMIN_LISTEN and so on.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    start: StartFlags,
    /// Listen on free ports instead
    #[arg(long)]
    free_ports: bool,
}

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let ports = if self.free_ports { Ports::Free } else { Ports::Default };
        let starting = Cluster::start(self.start.options(ports));
        let mut cluster = tokio::select! {
            started = starting => started?,
            // No request was accepted yet: the services can be killed.
            code = signals.next() => return Ok(ExitCode::from(code)),
        };
        let addresses =
            [Service::Coordinator, Service::Strategic, Service::Tactical, Service::Operational]
                .map(|service| format!("{} {}", service.name(), cluster.plan().grpc(service)));
        say(format_args!("ready: {}", addresses.join(", ")))?;
        let failure = tokio::select! {
            failure = cluster.failure() => Some(failure),
            _ = signals.next() => None,
        };
        let stopped = tokio::select! {
            stopped = cluster.stop() => stopped,
            code = signals.next() => {
                note("strata: stopping at once");
                return Ok(ExitCode::from(code));
            }
        };
        match failure {
            // Errors after the failure are its consequences.
            Some(failure) => Err(failure),
            None => stopped.map(|()| ExitCode::SUCCESS),
        }
    }
}
