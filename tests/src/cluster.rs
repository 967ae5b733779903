//! The four services as four processes.

use strata_wire::pb::{
    coordinator_client::CoordinatorClient, operational_client::OperationalClient,
    strategic_client::StrategicClient, tactical_client::TacticalClient,
};
use tonic::transport::Channel;

use crate::{layers::LAYERS, process::Process, spec::Spec, waiting::eventually_async};

/// Three layers and a coordinator that uses them.
#[derive(Debug)]
pub struct Cluster {
    /// The coordinator. It is the first field, so it is dropped, and thereby killed, before the
    /// layers.
    pub coordinator: Process,
    /// The strategic layer.
    pub strategic: Process,
    /// The tactical layer.
    pub tactical: Process,
    /// The operational layer.
    pub operational: Process,
}

impl Cluster {
    /// Starts the four processes and waits until they are ready.
    pub fn start() -> Self {
        Self::start_with(|spec| spec)
    }

    /// The same with the settings of one service changed by `adjust`.
    pub fn start_with_service(name: &str, adjust: impl Fn(Spec) -> Spec) -> Self {
        Self::start_with(|spec| if spec.name() == name { adjust(spec) } else { spec })
    }

    /// The same with the settings of every service changed by `adjust`.
    pub fn start_with(adjust: impl Fn(Spec) -> Spec) -> Self {
        let layers = LAYERS.map(|name| adjust(Spec::new(name)));
        let coordinator = Self::coordinator_of(&layers);
        // All four start before the first wait: each layer has a model to load.
        let mut layers = layers.map(|spec| spec.spawn());
        let coordinator = adjust(coordinator).spawn();
        layers.iter_mut().for_each(Process::wait_ready);
        let [strategic, tactical, operational] = layers;
        let mut cluster = Self { coordinator, strategic, tactical, operational };
        cluster.coordinator.wait_ready();
        cluster
    }

    /// A coordinator of these layers, given in the order of the chain. Its requests may take 30 s:
    /// programs of the dev profile do not always answer within a second on a busy machine.
    pub fn coordinator_of(layers: &[Spec; 3]) -> Spec {
        let [strategic, tactical, operational] = layers;
        Spec::new("coordinator")
            .set("LAYERS_STRATEGIC", strategic.endpoint())
            .set("LAYERS_TACTICAL", tactical.endpoint())
            .set("LAYERS_OPERATIONAL", operational.endpoint())
            .set("REQUESTS_DEFAULT_TIMEOUT", "30s")
    }

    /// The processes of the layers in the order of the chain.
    pub fn layers(&self) -> [&Process; 3] {
        [&self.strategic, &self.tactical, &self.operational]
    }

    /// All processes, the coordinator first.
    pub fn processes(&self) -> [&Process; 4] {
        [&self.coordinator, &self.strategic, &self.tactical, &self.operational]
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

    /// Waits until the coordinator has streams to `count` replicas of a layer.
    ///
    /// # Panics
    /// When it does not have them in a minute.
    pub async fn wait_for_replicas(&self, layer: &str, count: usize) {
        eventually_async(&format!("{count} replicas of the {layer} layer"), async || {
            let links =
                self.coordinator.metric("strata_coordinator_layer_links", &[("layer", layer)]);
            (links == count as f64).then_some(())
        })
        .await;
    }
}
