//! Traffic that makes every metric appear: some have no series, or are absent, until then.

use strata_tests::{Cluster, LAYERS, Node, Process, eventually_async, patient, requests};
use strata_wire::pb::{
    self, coordinator_client::CoordinatorClient, models_client::ModelsClient,
    operational_client::OperationalClient, releases_client::ReleasesClient,
    strategic_client::StrategicClient, tactical_client::TacticalClient,
};
use tonic::transport::Channel;

/// The services, in one process or in four.
pub(crate) struct Services<'a> {
    coordinator: Channel,
    /// In the order of the chain.
    layers: [Channel; 3],
    pages: Box<dyn Fn() -> [String; 4] + 'a>,
}

impl<'a> Services<'a> {
    pub(crate) fn of_cluster(cluster: &'a Cluster) -> Self {
        Self {
            coordinator: cluster.coordinator.channel(),
            layers: cluster.layers().map(Process::channel),
            pages: Box::new(|| cluster.processes().map(Process::metrics)),
        }
    }

    pub(crate) fn of_node(node: &'a Node) -> Self {
        Self {
            coordinator: node.process.channel(),
            layers: LAYERS.map(|layer| node.channel_to(layer)),
            pages: Box::new(move || {
                let [strategic, tactical, operational] = LAYERS.map(|layer| node.metrics_of(layer));
                [node.process.metrics(), strategic, tactical, operational]
            }),
        }
    }
}

/// Sends traffic. Returns the pages of metrics after it, the coordinator's first and then those of
/// the layers in the order of the chain.
pub(crate) async fn pages_after(services: &Services<'_>) -> [String; 4] {
    decide(services.coordinator.clone()).await;
    refuse(&services.layers).await;
    compare(services.layers[0].clone()).await;
    switch(services.coordinator.clone()).await;
    // A comparison follows the answer, and a call is counted after its answer was read.
    eventually_async("a comparison", async || {
        let pages = (services.pages)();
        let compared = |line: &str| line.starts_with("strata_layer_shadow_rows_total{");
        pages[1].lines().any(compared).then_some(pages)
    })
    .await
}

/// One decision and one refusal.
async fn decide(coordinator: Channel) {
    let mut client = CoordinatorClient::new(coordinator);
    client.decide(requests::decide(1)).await.unwrap();
    let invalid = pb::DecideRequest { function: None, ..requests::decide(2) };
    client.decide(invalid).await.unwrap_err();
}

/// Each layer refuses a row.
async fn refuse([strategic, tactical, operational]: &[Channel; 3]) {
    let mut strategic = StrategicClient::new(strategic.clone());
    strategic.select(pb::SelectRequest::default()).await.unwrap_err();
    let mut tactical = TacticalClient::new(tactical.clone());
    tactical.place(pb::PlaceRequest::default()).await.unwrap_err();
    let mut operational = OperationalClient::new(operational.clone());
    operational.forecast(pb::ForecastRequest::default()).await.unwrap_err();
}

/// Version 2 of the strategic model runs in the shadow of version 1.
async fn compare(strategic: Channel) {
    let mut models = ModelsClient::new(strategic.clone());
    models.load(pb::LoadModelRequest { version: 2, ..Default::default() }).await.unwrap();
    let traffic = pb::SetTrafficRequest { shadows: vec![2], ..requests::traffic(&[(1, 100)]) };
    models.set_traffic(traffic).await.unwrap();
    let mut client = StrategicClient::new(strategic);
    client.select(patient(requests::select())).await.unwrap();
}

/// A release is in force.
async fn switch(coordinator: Channel) {
    let release = pb::Release { name: "r1".to_owned(), strategic: 1, tactical: 1, operational: 1 };
    let request = pb::SwitchReleaseRequest { release: Some(release) };
    ReleasesClient::new(coordinator).switch(request).await.unwrap();
}
