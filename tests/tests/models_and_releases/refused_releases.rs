//! Releases that a layer cannot load: it has no room, hangs, or is killed.

use strata_tests::{Cluster, Repository, Spec, eventually_async, requests};
use strata_wire::{
    pb,
    pb::{models_client::ModelsClient, releases_client::ReleasesClient},
};
use tonic::{Code, Status};

/// The most versions that a layer holds.
const ROOM: u32 = 8;

/// One model of the strategic layer under the numbers 1 to 9.
fn repository() -> Repository {
    let repository = Repository::new();
    (1..=ROOM + 1).for_each(|number| repository.publish_as("strategic", 2, number));
    repository
}

fn cluster(strategic: &Repository) -> Cluster {
    Cluster::start_with(|spec| match spec.name() {
        "strategic" => spec.on_version(1).set("MODELS_DIR", strategic.setting()),
        _ => spec.on_version(1),
    })
}

async fn switch(cluster: &Cluster, strategic: u32) -> Result<(), Status> {
    let name = format!("r{strategic}");
    let release = pb::Release { name, strategic, tactical: 1, operational: 1 };
    let request = pb::SwitchReleaseRequest { release: Some(release) };
    ReleasesClient::new(cluster.coordinator.channel()).switch(request).await.map(drop)
}

#[tokio::test]
async fn a_layer_without_room_refuses_a_release_and_says_what_may_go() {
    let repository = repository();
    let cluster = cluster(&repository);
    for number in 1..=ROOM {
        switch(&cluster, number).await.unwrap();
    }
    let refused = switch(&cluster, ROOM + 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    for part in
        ["the strategic layer", "8 versions are loaded", "2, 3, 4, 5, 6, 7, 8 have no", "need 7, 8"]
    {
        assert!(refused.message().contains(part), "{part}: {refused:?}");
    }
    // The release in force stays. Once the layer has room, the new one is put in force.
    let mut client = cluster.client();
    let decision = client.decide(requests::decide(1)).await.unwrap().into_inner();
    assert_eq!(decision.release.unwrap().name, "r8");
    let mut models = ModelsClient::new(cluster.strategic.channel());
    models.unload(pb::UnloadModelRequest { version: 2, ..Default::default() }).await.unwrap();
    switch(&cluster, ROOM + 1).await.unwrap();
    let decision = client.decide(requests::decide(1)).await.unwrap().into_inner();
    assert_eq!(decision.release.unwrap().strategic, ROOM + 1);
}

#[tokio::test]
async fn a_layer_whose_versions_all_have_traffic_says_so() {
    let repository = repository();
    let cluster = cluster(&repository);
    let mut models = ModelsClient::new(cluster.strategic.channel());
    for version in 2..=ROOM {
        models.load(pb::LoadModelRequest { version, ..Default::default() }).await.unwrap();
    }
    let percent = |version| if version == 1 { 100 - (ROOM - 1) } else { 1 };
    let shares: Vec<_> = (1..=ROOM).map(|version| (version, percent(version))).collect();
    models.set_traffic(requests::traffic(&shares)).await.unwrap();
    let refused = switch(&cluster, ROOM + 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("all of them with traffic"), "{refused:?}");
}

/// A switch waits for a replica that hangs. When that replica is killed the switch must end, with
/// or without the release.
#[tokio::test]
async fn a_replica_that_is_killed_in_a_switch_leaves_one_release_in_force() {
    let mut second = Spec::new("tactical").on_version(1).start();
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => spec.add_replica(second.spec()),
        _ => spec.on_version(1),
    });
    cluster.wait_for_replicas("tactical", 2).await;
    second.pause();
    let mut releases = ReleasesClient::new(cluster.coordinator.channel());
    let release = pb::Release { name: "two".to_owned(), strategic: 2, tactical: 2, operational: 2 };
    let request = pb::SwitchReleaseRequest { release: Some(release.clone()) };
    let mut switching = releases.clone();
    let switch = tokio::spawn(async move { switching.switch(request).await });
    // Once the other replica has loaded it, the switch waits only for the one that hangs.
    let mut models = ModelsClient::new(cluster.tactical.channel());
    eventually_async("the other replica", async || {
        let listed = models.list(pb::ListModelsRequest::default()).await.unwrap().into_inner();
        listed.versions.iter().any(|v| v.version == 2 && v.loaded_at.is_some()).then_some(())
    })
    .await;
    assert!(!switch.is_finished());
    second.kill();
    let switched = switch.await.unwrap();
    let in_force = releases.list(pb::ListReleasesRequest {}).await.unwrap().into_inner().in_force;
    match switched {
        Ok(_) => assert_eq!(in_force, Some(release)),
        // The switch saw the end of the replica before the stream to it did.
        Err(status) => {
            assert_eq!((status.code(), &in_force), (Code::Unavailable, &None), "{status:?}");
        }
    }
    let decision = eventually_async("a decision", async || {
        cluster.client().decide(requests::decide(1)).await.ok()
    })
    .await;
    assert_eq!(decision.into_inner().release, in_force);
}
