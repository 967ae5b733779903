//! The servers that are measured. They run side by side: an idle server takes no processor time.

mod echo_process;
mod echo_server;
mod peers;
mod trace_sink;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use strata_cluster::{Cluster, Options, Ports, Service};

use self::trace_sink::TraceSink;
pub(crate) use self::{
    echo_process::EchoProcess,
    echo_server::serve as serve_echo,
    peers::{Peer, PeerFiles},
};
use crate::{
    callers::PeerRow,
    case::{Case, PeerKind, Server},
    layers,
};

/// The endpoint of a server, and the process groups of its services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) groups: Vec<(Service, u32)>,
}

/// The servers that answer decision requests.
pub(crate) type Places = BTreeMap<Server, Place>;

/// Everything that was started for a run. Dropping it kills the processes.
pub(crate) struct Servers {
    pub(crate) places: Places,
    /// The layers of the cluster and their endpoints, in order.
    pub(crate) layers: Vec<(Service, String)>,
    pub(crate) peers: BTreeMap<PeerKind, Peer>,
    pub(crate) peer_row: PeerRow,
    /// What is not measured, and why.
    pub(crate) left_out: Vec<String>,
    clusters: Vec<Cluster>,
    _sink: Option<TraceSink>,
}

/// How the servers are started.
pub(crate) struct StartServers<'a> {
    pub(crate) bin_dir: &'a Path,
    pub(crate) options: &'a dyn Fn() -> Options,
    pub(crate) peers: &'a PeerFiles,
}

impl Servers {
    /// Servers that run already: nothing is started.
    pub(crate) fn elsewhere(places: Places) -> Self {
        Self {
            places,
            layers: Vec::new(),
            peers: BTreeMap::new(),
            peer_row: PeerRow::default(),
            left_out: Vec::new(),
            clusters: Vec::new(),
            _sink: None,
        }
    }

    /// Starts every server that a case needs.
    ///
    /// # Errors
    /// When a service does not become ready.
    pub(crate) async fn start(start: &StartServers<'_>, cases: &[Case]) -> anyhow::Result<Self> {
        let mut servers = Self::elsewhere(Places::new());
        let needed = |server| cases.iter().any(|case| case.needs(server));
        let options = start.options;
        if needed(Server::Cluster) {
            servers.layers = servers.cluster(Server::Cluster, options()).await?;
        }
        if needed(Server::Unix) {
            let ports = Ports::Sockets;
            servers.cluster(Server::Unix, Options { ports, ..options() }).await?;
        }
        if needed(Server::Node) {
            servers.cluster(Server::Node, Options { in_process: true, ..options() }).await?;
        }
        let sink = TraceSink::start().await?;
        for (server, ratio) in [(Server::Traced1, "0.01"), (Server::Traced100, "1.0")] {
            if needed(server) {
                let settings = traced(sink.endpoint(), ratio);
                servers.cluster(server, Options { settings, ..options() }).await?;
            }
        }
        servers._sink = Some(sink);
        if needed(Server::Int8) {
            if knows_precision(&start.bin_dir.join(Service::Operational.name())) {
                let settings = vec![(Service::Operational, "MODELS_PRECISION", "int8".to_owned())];
                servers.cluster(Server::Int8, Options { settings, ..options() }).await?;
            } else {
                servers.leave_out("int8: the operational layer has no setting `models.precision`");
            }
        }
        if cases.iter().any(|case| matches!(case, Case::Peer(..))) {
            servers.start_peers(start.peers).await?;
        }
        Ok(servers)
    }

    /// Notes what is not measured, and why.
    pub(crate) fn leave_out(&mut self, what: impl Into<String>) {
        self.left_out.push(what.into());
    }

    async fn cluster(
        &mut self,
        server: Server,
        options: Options,
    ) -> anyhow::Result<Vec<(Service, String)>> {
        let cluster = Cluster::start(options).await?;
        let endpoint = cluster.plan().endpoint(Service::Coordinator);
        self.places.insert(server, Place { endpoint, groups: cluster.pids() });
        let layers = Service::LAYERS.map(|layer| (layer, cluster.plan().endpoint(layer)));
        self.clusters.push(cluster);
        Ok(layers.to_vec())
    }

    async fn start_peers(&mut self, files: &PeerFiles) -> anyhow::Result<()> {
        if let Some(why) = peers::missing(files) {
            self.leave_out(format!("the peers: {why}"));
            return Ok(());
        }
        let mut values = Vec::new();
        for (layer, endpoint) in &self.layers {
            let Some(row) = layers::values(*layer, endpoint).await? else {
                self.leave_out("the peers: they run models of one input; use those of `research`");
                return Ok(());
            };
            values.push(row);
        }
        if let Ok([strategic, tactical, operational]) = <[_; 3]>::try_from(values) {
            self.peer_row = PeerRow { strategic, tactical, operational };
        }
        for kind in PeerKind::ALL {
            let peer = Peer::start(kind, files, &self.peer_row).await?;
            self.peers.insert(kind, peer);
        }
        Ok(())
    }

    /// Stops all servers.
    ///
    /// # Errors
    /// When a service does not stop cleanly.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        for peer in self.peers.into_values() {
            peer.stop().await;
        }
        for mut cluster in self.clusters {
            cluster.stop().await?;
        }
        Ok(())
    }
}

/// The settings of services that export this share of their traces. The coordinator samples; the
/// layers follow its decision.
fn traced(endpoint: &str, ratio: &str) -> Vec<(Service, &'static str, String)> {
    let mut settings = vec![
        (Service::Coordinator, "TELEMETRY_OTLP_SAMPLER", "parentbased_traceidratio".to_owned()),
        (Service::Coordinator, "TELEMETRY_OTLP_SAMPLER_RATIO", ratio.to_owned()),
    ];
    let export = |service| (service, "TELEMETRY_OTLP_ENDPOINT", endpoint.to_owned());
    settings.extend(Service::ALL.map(export));
    settings
}

/// Whether this layer has the setting that selects a quantised model.
fn knows_precision(program: &PathBuf) -> bool {
    let help = Command::new(program).arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--models-precision"))
}
