//! The four services as one process.

use std::net::SocketAddr;

use strata_wire::pb::coordinator_client::CoordinatorClient;
use tonic::transport::{Channel, Endpoint};

use crate::{
    http::get,
    process::Process,
    spec::{Spec, setting_of},
};

/// A running `strata-node`.
#[derive(Debug)]
pub struct Node {
    /// The process; its addresses are those of the coordinator.
    pub process: Process,
}

impl Node {
    /// Starts it and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(|spec| spec)
    }

    /// The same with settings changed by `adjust`; see [`Spec::node`].
    pub fn start_with(adjust: impl FnOnce(Spec) -> Spec) -> Self {
        Self { process: adjust(Spec::node()).start() }
    }

    /// A client of the coordinator with a connection of its own.
    pub fn client(&self) -> CoordinatorClient<Channel> {
        CoordinatorClient::new(self.process.channel())
    }

    /// A connection to a layer, made when it is first used.
    ///
    /// # Panics
    /// When there is no such layer.
    pub fn channel_to(&self, layer: &str) -> Channel {
        let address = self.process.spec().setting(&setting_of(layer, "GRPC_LISTEN"));
        Endpoint::from_shared(format!("http://{address}")).expect("an endpoint").connect_lazy()
    }

    /// The metrics of a layer.
    ///
    /// # Panics
    /// When it gives none.
    pub fn metrics_of(&self, layer: &str) -> String {
        let address = self.process.spec().setting(&setting_of(layer, "ADMIN_LISTEN"));
        let address: SocketAddr = address.parse().expect("an address");
        let answer = get(address, "/metrics").expect("metrics");
        assert_eq!(answer.status, 200);
        answer.body
    }
}
