//! `strata up`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use crate::cluster::{self, Cluster, Options, Ports, Service};
use crate::signals::Signals;
use crate::{output, time_flag};

/// Start the four services and keep them running until Ctrl-C, which drains them.
///
/// They listen on loopback, gRPC on 50050 (coordinator) to 50053 and admin HTTP on 9050 to 9053.
/// Every setting of a service can be given by its environment variable, listeners as well:
/// STRATA_STRATEGIC_GRPC_LISTEN, STRATA_COORDINATOR_ADMIN_LISTEN and so on.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    start: Start,
    /// Listen on ports that are free instead
    #[arg(long)]
    free_ports: bool,
}

/// How services are started, for every command that starts them.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Directory of the programs strategic, tactical, operational and coordinator [default: that of
    /// strata]
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Start the four services as one process (the program strata-node): for edge nodes and laptops.
    /// All their ports are served; settings of the processes themselves (TELEMETRY, SHUTDOWN,
    /// RUNTIME) are then those of STRATA_NODE
    #[arg(long)]
    in_process: bool,
    /// Directory of the models that are served [default: models, unless the environment says otherwise]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Time in which all of them must be ready
    #[arg(long, value_name = "TIME", default_value = "60s")]
    #[arg(value_parser = time_flag::parse)]
    ready_within: Duration,
}

impl Start {
    /// The options of a cluster that logs everything to standard error, each line behind the name
    /// of its service.
    pub(crate) fn options(&self, ports: Ports) -> Options {
        Options {
            bin_dir: self.bin_dir.clone(),
            models: self.models.clone(),
            settings: Vec::new(),
            in_process: self.in_process,
            ports,
            quiet: false,
            log: Arc::new(|service, line| output::note(log_line(service, line))),
            ready_within: self.ready_within,
        }
    }

    /// The directory of the programs.
    ///
    /// # Errors
    /// When the system does not say where this program is.
    pub(crate) fn bin_dir(&self) -> anyhow::Result<PathBuf> {
        self.bin_dir.clone().map_or_else(cluster::own_dir, Ok)
    }

    /// The directory whose models the services are told to serve.
    pub(crate) fn models(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(|| PathBuf::from("models"))
    }

    /// The options of a quiet cluster on free ports, whose lines are shown above a progress bar.
    pub(crate) fn behind(&self, bar: &ProgressBar) -> Options {
        let shown = bar.clone();
        Options {
            quiet: true,
            log: Arc::new(move |service, line| {
                shown.suspend(|| output::note(log_line(service, line)));
            }),
            ..self.options(Ports::Free)
        }
    }
}

/// A line of a service as it is shown, behind its name.
fn log_line(service: Service, line: &str) -> String {
    format!("{:<11} | {line}", service.name())
}

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let ports = if self.free_ports { Ports::Free } else { Ports::Default };
        let starting = Cluster::start(self.start.options(ports));
        let mut cluster = tokio::select! {
            started = starting => started?,
            // Nothing was accepted yet: dropping what was started is enough.
            code = signals.next() => return Ok(ExitCode::from(code)),
        };
        let addresses =
            [Service::Coordinator, Service::Strategic, Service::Tactical, Service::Operational]
                .map(|service| format!("{} {}", service.name(), cluster.plan().grpc(service)));
        output::say(format_args!("ready: {}", addresses.join(", ")))?;
        let failure = tokio::select! {
            failure = cluster.failure() => Some(failure),
            _ = signals.next() => None,
        };
        let stopped = tokio::select! {
            stopped = cluster.stop() => stopped,
            code = signals.next() => {
                output::note("strata: stopping at once");
                return Ok(ExitCode::from(code));
            }
        };
        match failure {
            // What else goes wrong after it follows from it.
            Some(failure) => Err(failure),
            None => stopped.map(|()| ExitCode::SUCCESS),
        }
    }
}
