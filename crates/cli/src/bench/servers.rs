//! Everything that is measured, running side by side: what is not called takes no processor time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::layers;
use super::otlp::Sink;
use super::peers::{self, Peer, PeerFiles};
use super::{Case, PeerKind, Server};
use crate::cluster::{Cluster, Options, Ports, Service};
use crate::load::PeerRow;

/// Where a server answers, and the groups of its processes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) groups: Vec<(Service, u32)>,
}

/// The servers of a run.
pub(crate) type Places = BTreeMap<Server, Place>;

/// All that was started for a run. Dropping it kills them.
pub(crate) struct Servers {
    pub(crate) places: Places,
    /// The layers of the cluster, in order.
    pub(crate) layers: Vec<(Service, String)>,
    pub(crate) peers: BTreeMap<PeerKind, Peer>,
    pub(crate) peer_row: PeerRow,
    /// What is not there, and why.
    pub(crate) left_out: Vec<String>,
    clusters: Vec<Cluster>,
    _sink: Option<Sink>,
}

/// How to start them.
pub(crate) struct Start<'a> {
    pub(crate) bin_dir: &'a Path,
    pub(crate) options: &'a dyn Fn() -> Options,
    pub(crate) peers: &'a PeerFiles,
}

impl Servers {
    /// None that were started here: only those of `places`.
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

    /// Starts all that the cases need.
    ///
    /// # Errors
    /// A service that does not become ready.
    pub(crate) async fn start(start: &Start<'_>, cases: &[Case]) -> anyhow::Result<Self> {
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
        let sink = Sink::start().await?;
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

    /// Notes what is not measured.
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
            values.push(layers::values(*layer, endpoint).await?);
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

    /// Stops all of them.
    ///
    /// # Errors
    /// A service that does not stop well.
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

/// Settings of services that export this share of the traces they begin. The coordinator begins them; the layers follow it.
fn traced(endpoint: &str, ratio: &str) -> Vec<(Service, &'static str, String)> {
    let mut settings = vec![
        (Service::Coordinator, "TELEMETRY_OTLP_SAMPLER", "parentbased_traceidratio".to_owned()),
        (Service::Coordinator, "TELEMETRY_OTLP_SAMPLER_RATIO", ratio.to_owned()),
    ];
    let export = |service| (service, "TELEMETRY_OTLP_ENDPOINT", endpoint.to_owned());
    settings.extend(Service::ALL.map(export));
    settings
}

/// Whether this layer can be told to serve a quantised model.
fn knows_precision(program: &PathBuf) -> bool {
    let help = Command::new(program).arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--models-precision"))
}
