//! The measurements, and their names in tables and in `results.json`.

use strata_cluster::Service;

/// A server that answers decision requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    /// A bare tonic server that answers with an empty decision.
    Echo,
    /// The four services, each in its own process; tracing is off, as by default.
    Cluster,
    /// The cluster over unix sockets instead of TCP, for its callers too.
    Unix,
    /// The four services in one process.
    Node,
    /// The cluster with one trace in a hundred exported.
    Traced1,
    /// The cluster with every trace exported.
    Traced100,
    /// The cluster with the operational model in int8.
    Int8,
}

/// A server made with Python, from `tests/peers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerKind {
    /// FastAPI on uvicorn: two workers with the three models in each.
    FastApi,
    /// grpc.aio: a server for each model, and one that calls the three.
    GrpcAio,
}

impl PeerKind {
    pub(crate) const ALL: [Self; 2] = [Self::FastApi, Self::GrpcAio];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FastApi => "fastapi",
            Self::GrpcAio => "grpcaio",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::FastApi => "peer: FastAPI, 2 workers",
            Self::GrpcAio => "peer: grpc.aio, 4 services",
        }
    }
}

/// How a layer is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By its own unary method, with 64 callers.
    Unary,
    /// By its own stream, with frames of this many rows.
    Frames(usize),
    /// By `ModelInfer` of the Open Inference Protocol with this many rows, with 64 callers.
    Oip(usize),
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// `Decide` with this many callers.
    Unary(Server, usize),
    /// `DecideStream` with this many requests in flight.
    Stream(Server, usize),
    /// `Decide` with 64 callers about this many different functions.
    Functions(usize),
    /// `Decide` in an open loop, at this percentage of the best rate of the round.
    Open(u32),
    /// A peer with this many callers.
    Peer(PeerKind, usize),
    /// One layer alone.
    Layer(Service, Way),
    /// The three models in one process without a network.
    Chain,
    /// `Decide` before, during and after changes of versions.
    Reload,
    /// Process start to ready.
    Ready,
    /// Resident memory after the load.
    Memory,
}

/// The layer behind `layer_unary_64` and `oip_unary_64`: the one with the largest rows and the
/// slowest model.
pub(crate) const USUAL_LAYER: Service = Service::Operational;

/// Callers of a layer or a peer, unless the case names another number.
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
    /// Every measurement of a round, in order. Cases that are compared are close together.
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

    /// The measurements of one coordinator, next to the echo server.
    pub(crate) fn of_coordinator(callers: &[usize]) -> Vec<Self> {
        let servers = [Server::Echo, Server::Cluster];
        let unary = |&callers: &usize| servers.map(|server| Self::Unary(server, callers));
        let stream = servers.map(|server| Self::Stream(server, 256));
        callers.iter().flat_map(unary).chain(stream).collect()
    }

    /// Whether the measurement needs this server.
    pub(crate) fn needs(self, server: Server) -> bool {
        match self {
            Self::Unary(wanted, _) | Self::Stream(wanted, _) => wanted == server,
            Self::Memory => [Server::Cluster, Server::Node].contains(&server),
            // The layers of the cluster tell the shapes of the rows that peers get.
            Self::Peer(..)
            | Self::Functions(_)
            | Self::Open(_)
            | Self::Layer(..)
            | Self::Reload => server == Server::Cluster,
            Self::Chain | Self::Ready => false,
        }
    }

    /// The prefix of the keys of its figures.
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

    /// What is measured, for people to read.
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
