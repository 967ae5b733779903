//! Releases that a layer cannot take: it has no room, hangs, or is killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use strata_tests::{Cluster, Spec, eventually_async, metric, requests, root};
use strata_wire::pb;
use strata_wire::pb::models_client::ModelsClient;
use strata_wire::pb::releases_client::ReleasesClient;
use tonic::{Code, Status};

/// The most versions that a layer holds.
const ROOM: u32 = 8;

/// A repository with one model of the strategic layer under the numbers 1 to 9.
fn repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = root().join("models/strategic/2");
    let manifest = fs::read_to_string(from.join("manifest.yaml")).unwrap();
    assert!(manifest.contains("\nversion: 2\n"));
    for number in 1..=ROOM + 1 {
        let to = dir.path().join(format!("strategic/{number}"));
        fs::create_dir_all(&to).unwrap();
        fs::copy(from.join("model.onnx"), to.join("model.onnx")).unwrap();
        let renumbered = manifest.replace("\nversion: 2\n", &format!("\nversion: {number}\n"));
        fs::write(to.join("manifest.yaml"), renumbered).unwrap();
    }
    dir
}

fn cluster(strategic: &Path) -> Cluster {
    Cluster::start_with(|spec| match spec.name() {
        "coordinator" => spec,
        "strategic" => {
            spec.set("MODELS_DIR", strategic.to_str().unwrap()).set("MODELS_VERSION", "1")
        }
        _ => spec.set("MODELS_VERSION", "1"),
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
    let dir = repository();
    let cluster = cluster(dir.path());
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
    // What is in force goes on, and with the room that was asked for the release is put in force.
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
    let dir = repository();
    let cluster = cluster(dir.path());
    let mut models = ModelsClient::new(cluster.strategic.channel());
    for version in 2..=ROOM {
        models.load(pb::LoadModelRequest { version, ..Default::default() }).await.unwrap();
    }
    let share = |version| pb::TrafficShare {
        version,
        percent: if version == 1 { 100 - (ROOM - 1) } else { 1 },
        ..Default::default()
    };
    let shares = (1..=ROOM).map(share).collect();
    models.set_traffic(pb::SetTrafficRequest { shares, ..Default::default() }).await.unwrap();
    let refused = switch(&cluster, ROOM + 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("all of them with traffic"), "{refused:?}");
}

/// A replica that hangs holds a switch up, and being killed then must not hold it up any longer: what it needs for that is in the hands of others.
#[tokio::test]
async fn a_replica_that_is_killed_in_a_switch_leaves_one_release_in_force() {
    let mut second = Spec::new("tactical").set("MODELS_VERSION", "1").start();
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => {
            let both = format!("{},{}", spec.setting("LAYERS_TACTICAL"), second.spec().endpoint());
            spec.set("LAYERS_TACTICAL", both)
        }
        _ => spec.set("MODELS_VERSION", "1"),
    });
    let links = || {
        let page = cluster.coordinator.metrics();
        metric(&page, "strata_coordinator_layer_links", &[("layer", "tactical")])
    };
    eventually_async("both replicas", async || (links() == 2.0).then_some(())).await;
    second.pause();
    let mut releases = ReleasesClient::new(cluster.coordinator.channel());
    let release = pb::Release { name: "two".to_owned(), strategic: 2, tactical: 2, operational: 2 };
    let request = pb::SwitchReleaseRequest { release: Some(release.clone()) };
    let mut switching = releases.clone();
    let switch = tokio::spawn(async move { switching.switch(request).await });
    // The other replica has loaded it: the one that hangs is all that the switch waits for.
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
        // Its end was seen by the switch before it was seen by the stream.
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
