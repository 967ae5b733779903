//! All four services.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use strata_wire::pb::coordinator_client::CoordinatorClient;
use strata_wire::pb::operational_client::OperationalClient;
use strata_wire::pb::strategic_client::StrategicClient;
use strata_wire::pb::tactical_client::TacticalClient;
use tonic::transport::Channel;

use crate::{Process, Spec};

/// Three layers and a coordinator that knows them.
#[derive(Debug)]
pub struct Cluster {
    /// The coordinator. It comes first: it is dropped, and so killed, before the layers.
    pub coordinator: Process,
    /// The strategic layer.
    pub strategic: Process,
    /// The tactical layer.
    pub tactical: Process,
    /// The operational layer.
    pub operational: Process,
}

impl Cluster {
    /// Starts the four and waits until they are ready.
    pub fn start() -> Self {
        Self::start_with(|spec| spec)
    }

    /// The same after `adjust` has had a look at how each is started.
    pub fn start_with(adjust: impl Fn(Spec) -> Spec) -> Self {
        let layers = ["strategic", "tactical", "operational"].map(|name| adjust(Spec::new(name)));
        let coordinator = Self::coordinator_of(&layers);
        // All at once: each has a model to load.
        let mut layers = layers.map(|spec| spec.spawn());
        let coordinator = adjust(coordinator).spawn();
        layers.iter_mut().for_each(Process::wait_ready);
        let [strategic, tactical, operational] = layers;
        let mut cluster = Self { coordinator, strategic, tactical, operational };
        cluster.coordinator.wait_ready();
        cluster
    }

    /// A coordinator that asks these layers, in the order of the chain. It allows as much time as it may: that programs
    /// of the dev profile answer within a second on a busy machine is nothing that a test can promise.
    pub fn coordinator_of(layers: &[Spec; 3]) -> Spec {
        let [strategic, tactical, operational] = layers;
        Spec::new("coordinator")
            .set("LAYERS_STRATEGIC", strategic.endpoint())
            .set("LAYERS_TACTICAL", tactical.endpoint())
            .set("LAYERS_OPERATIONAL", operational.endpoint())
            .set("REQUESTS_DEFAULT_TIMEOUT", "30s")
    }

    /// A client of the coordinator with a connection of its own.
    pub fn client(&self) -> CoordinatorClient<Channel> {
        CoordinatorClient::new(self.coordinator.channel())
    }

    /// A client of the strategic layer.
    pub fn strategic(&self) -> StrategicClient<Channel> {
        StrategicClient::new(self.strategic.channel())
    }

    /// A client of the tactical layer.
    pub fn tactical(&self) -> TacticalClient<Channel> {
        TacticalClient::new(self.tactical.channel())
    }

    /// A client of the operational layer.
    pub fn operational(&self) -> OperationalClient<Channel> {
        OperationalClient::new(self.operational.channel())
    }
}

/// A cluster that the tests of a file share: `static SHARED: Shared = Shared::new();`. It lives
/// while a test holds it, so that the last one to end stops it, which a static would not.
#[derive(Debug)]
pub struct Shared(Mutex<Weak<Cluster>>);

impl Shared {
    /// Not started yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The cluster; started if nobody holds it.
    pub fn get(&self) -> Arc<Cluster> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::start());
            *held = Arc::downgrade(&cluster);
            cluster
        })
    }
}
