//! The flags that say how services are started.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use indicatif::ProgressBar;
use strata_terminal::{note, parse_duration};

use crate::{
    cluster::{Options, own_dir},
    plan::Ports,
    service::Service,
};

/// How a command starts the services.
#[derive(Debug, Args)]
pub struct StartFlags {
    /// Directory of the programs strategic, tactical, operational and coordinator [default: the
    /// directory of this program]
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Start the four services as one process (the program strata-node): for edge nodes and
    /// laptops. It serves the same ports; settings of the process itself (TELEMETRY, SHUTDOWN,
    /// RUNTIME) are those of STRATA_NODE
    #[arg(long)]
    in_process: bool,
    /// Directory of the models that are served [default: models, unless the environment says
    /// otherwise]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Catalogue of placements: a name that `strata catalogue list` shows, or a YAML file [default:
    /// that of the services]
    #[arg(long, value_name = "NAME|FILE")]
    catalogue: Option<String>,
    /// Time in which all services must be ready
    #[arg(long, value_name = "TIME", default_value = "60s")]
    #[arg(value_parser = parse_duration)]
    ready_within: Duration,
}

impl StartFlags {
    /// The options of a cluster that logs everything to standard error, each line after the name of
    /// its service.
    pub fn options(&self, ports: Ports) -> Options {
        Options {
            bin_dir: self.bin_dir.clone(),
            models: self.models.clone(),
            catalogue: self.catalogue.clone(),
            settings: Vec::new(),
            in_process: self.in_process,
            ports,
            quiet: false,
            log: Arc::new(|service, line| note(log_line(service, line))),
            ready_within: self.ready_within,
        }
    }

    /// The directory of the programs.
    ///
    /// # Errors
    /// When the operating system does not tell where this program is.
    pub fn bin_dir(&self) -> anyhow::Result<PathBuf> {
        self.bin_dir.clone().map_or_else(own_dir, Ok)
    }

    /// The directory of the models.
    pub fn models(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(|| PathBuf::from("models"))
    }

    /// The catalogue that is named, if any.
    pub fn catalogue(&self) -> Option<&str> {
        self.catalogue.as_deref()
    }

    /// The options of a quiet cluster on free ports, which logs above a progress bar.
    pub fn options_with_bar(&self, bar: &ProgressBar) -> Options {
        let shown = bar.clone();
        Options {
            quiet: true,
            log: Arc::new(move |service, line| {
                shown.suspend(|| note(log_line(service, line)));
            }),
            ..self.options(Ports::Free)
        }
    }
}

/// A line of a service after its name.
fn log_line(service: Service, line: &str) -> String {
    format!("{:<11} | {line}", service.name())
}
