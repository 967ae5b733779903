//! The list of measurements, and what each is called in tables and in `results.json`.

use crate::cluster::Service;

use super::PeerKind;

/// Somebody who answers decision requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    /// A bare tonic server that answers with nothing.
    Echo,
    /// The four services, each a process; tracing off, as is the default.
    Cluster,
    /// As the cluster, over unix sockets instead of TCP, callers included.
    Unix,
    /// The four services in one process.
    Node,
    /// As the cluster, with one trace in a hundred exported.
    Traced1,
    /// As the cluster, with every trace exported.
    Traced100,
    /// As the cluster, with the operational model in int8.
    Int8,
}

/// One way to load a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its own unary method, 64 callers.
    Unary,
    /// Its own stream, with frames of so many rows.
    Frames(usize),
    /// `ModelInfer` of the Open Inference Protocol with so many rows, 64 callers.
    Oip(usize),
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// `Decide` with so many callers.
    Unary(Server, usize),
    /// `DecideStream` with so many requests in flight.
    Stream(Server, usize),
    /// `Decide` with 64 callers about so many different functions.
    Functions(usize),
    /// `Decide` by the clock, at this percentage of the best rate of the round.
    Open(u32),
    Peer(PeerKind, usize),
    Layer(Service, Way),
    /// The three models in one process without a network.
    Chain,
    /// `Decide` before, while and after versions are loaded.
    Reload,
    /// Process start to ready.
    Ready,
    /// Resident memory after the load.
    Memory,
}

/// The layer whose rate stands for all layers in `layer_unary_64` and `oip_unary_64`: the one with the largest rows and the slowest model.
pub(crate) const USUAL_LAYER: Service = Service::Operational;

/// Callers of a layer or a peer, unless said otherwise.
pub(crate) const CALLERS: usize = 64;

impl Server {
    const fn unary_name(self) -> &'static str {
        match self {
            Self::Echo => "echo_unary",
            Self::Cluster => "decide_unary",
            Self::Unix => "unix_decide",
            Self::Node => "inprocess_decide",
            Self::Traced1 => "decide_tracing_1pct",
            Self::Traced100 => "decide_tracing_100pct",
            Self::Int8 => "decide_int8",
        }
    }

    const fn stream_name(self) -> &'static str {
        match self {
            Self::Echo => "echo_stream",
            Self::Cluster => "decide_stream",
            Self::Unix => "unix_stream",
            Self::Node => "inprocess_stream",
            Self::Traced1 => "decide_stream_tracing_1pct",
            Self::Traced100 => "decide_stream_tracing_100pct",
            Self::Int8 => "decide_stream_int8",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Echo => "bare tonic echo",
            Self::Cluster => "cluster",
            Self::Unix => "cluster over unix sockets",
            Self::Node => "one process",
            Self::Traced1 => "cluster, 1 % of traces exported",
            Self::Traced100 => "cluster, all traces exported",
            Self::Int8 => "cluster, operational model in int8",
        }
    }
}

impl Case {
    /// Every measurement of a round, in order. What is compared stands close together.
    pub(crate) fn all() -> Vec<Self> {
        use Server::{Cluster, Echo, Int8, Node, Traced1, Traced100, Unix};
        let mut cases = vec![
            Self::Ready,
            Self::Chain,
            Self::Unary(Echo, 1),
            Self::Unary(Cluster, 1),
            Self::Unary(Unix, 1),
            Self::Unary(Node, 1),
            Self::Peer(PeerKind::FastApi, 1),
            Self::Peer(PeerKind::GrpcAio, 1),
            Self::Unary(Echo, 64),
            Self::Unary(Cluster, 64),
            Self::Unary(Unix, 64),
            Self::Unary(Node, 64),
            Self::Peer(PeerKind::FastApi, 64),
            Self::Peer(PeerKind::GrpcAio, 64),
            Self::Stream(Cluster, 256),
            Self::Stream(Node, 256),
            Self::Stream(Echo, 256),
            Self::Unary(Traced1, 64),
            Self::Unary(Traced100, 64),
            Self::Unary(Int8, 64),
            Self::Stream(Int8, 256),
            Self::Unary(Cluster, 8),
            Self::Unary(Node, 8),
            Self::Unary(Cluster, 200),
            Self::Unary(Node, 200),
            Self::Stream(Cluster, 64),
            Self::Stream(Cluster, 1024),
        ];
        for layer in Service::LAYERS {
            let ways = [Way::Unary, Way::Oip(1), Way::Frames(64)];
            cases.extend(ways.map(|way| Self::Layer(layer, way)));
        }
        let growth = [Way::Frames(1), Way::Frames(8), Way::Frames(256), Way::Oip(8), Way::Oip(64)];
        cases.extend(growth.map(|way| Self::Layer(USUAL_LAYER, way)));
        cases.extend([1_000, 100_000, 1_000_000].map(Self::Functions));
        cases.extend([Self::Open(50), Self::Open(80), Self::Reload, Self::Memory]);
        cases
    }

    /// The measurements of one coordinator, next to the echo.
    pub(crate) fn of_coordinator(callers: &[usize]) -> Vec<Self> {
        let servers = [Server::Echo, Server::Cluster];
        let unary = |&callers: &usize| servers.map(|server| Self::Unary(server, callers));
        let stream = servers.map(|server| Self::Stream(server, 256));
        callers.iter().flat_map(unary).chain(stream).collect()
    }

    /// Whether it needs this server.
    pub(crate) fn needs(self, server: Server) -> bool {
        match self {
            Self::Unary(wanted, _) | Self::Stream(wanted, _) => wanted == server,
            Self::Memory => [Server::Cluster, Server::Node].contains(&server),
            // Peers are asked rows of the shapes that the cluster's layers tell.
            Self::Peer(..)
            | Self::Functions(_)
            | Self::Open(_)
            | Self::Layer(..)
            | Self::Reload => server == Server::Cluster,
            Self::Chain | Self::Ready => false,
        }
    }

    /// What its figures' keys begin with.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Unary(server, callers) => format!("{}_{callers}", server.unary_name()),
            Self::Stream(server, in_flight) => format!("{}_{in_flight}", server.stream_name()),
            Self::Functions(functions) => format!("decide_functions_{functions}"),
            Self::Open(percent) => format!("decide_open_{percent}pct"),
            Self::Peer(peer, callers) => format!("peer_{}_{callers}", peer.name()),
            Self::Layer(layer, Way::Unary) => format!("{}_unary_{CALLERS}", layer.name()),
            Self::Layer(layer, Way::Frames(rows)) => format!("{}_frames_{rows}", layer.name()),
            Self::Layer(layer, Way::Oip(1)) => format!("{}_oip_{CALLERS}", layer.name()),
            Self::Layer(layer, Way::Oip(rows)) => format!("{}_oip_rows_{rows}", layer.name()),
            Self::Chain => "chain_inprocess".to_owned(),
            Self::Reload => "reload".to_owned(),
            Self::Ready => "ready".to_owned(),
            Self::Memory => "rss".to_owned(),
        }
    }

    /// What it is, for people.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Unary(server @ Server::Echo, callers) => {
                format!("{}, {callers} callers", server.title())
            }
            Self::Unary(server, callers) => {
                format!("Decide, {callers} callers: {}", server.title())
            }
            Self::Stream(server, in_flight) => {
                format!("DecideStream, {in_flight} in flight: {}", server.title())
            }
            Self::Functions(functions) => {
                format!("Decide, {CALLERS} callers, {functions} functions")
            }
            Self::Open(percent) => format!("Decide by the clock, {percent} % of the best rate"),
            Self::Peer(peer, callers) => format!("{}, {callers} callers", peer.title()),
            Self::Layer(layer, Way::Unary) => format!("{}, {CALLERS} callers", layer.name()),
            Self::Layer(layer, Way::Frames(rows)) => {
                format!("{}, frames of {rows} rows", layer.name())
            }
            Self::Layer(layer, Way::Oip(rows)) => {
                format!("{}, ModelInfer of {rows} rows, {CALLERS} callers", layer.name())
            }
            Self::Chain => "models in one process".to_owned(),
            Self::Reload => "Decide while versions are loaded".to_owned(),
            Self::Ready => "process start to ready".to_owned(),
            Self::Memory => "resident memory".to_owned(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_measurements_have_the_same_name() {
        let cases = Case::all();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name()).collect();
        assert_eq!(names.len(), cases.len());
        for name in [
            "echo_unary_1",
            "decide_stream_256",
            "unix_decide_1",
            "unix_decide_64",
            "inprocess_decide_64",
            "peer_fastapi_64",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }
}
