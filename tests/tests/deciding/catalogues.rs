//! Decisions on catalogues other than that of the research framework, and catalogues that are
//! replaced while decisions are made.

use std::{fs, path::Path};

use rustix::process::Signal;
use strata_tests::{Cluster, Spec, eventually, requests};
use strata_wire::{
    pb,
    pb::{catalogues_client::CataloguesClient, coordinator_client::CoordinatorClient},
};
use tonic::{Code, Status, transport::Channel};

fn world() -> Cluster {
    Cluster::start_with(|spec| spec.on_catalogue("world"))
}

/// Four services of which the coordinator alone has the catalogue in `file`.
fn coordinator_on(file: &Path) -> Cluster {
    Cluster::start_with(|spec| {
        let spec = spec.on_catalogue("world");
        match spec.name() {
            "coordinator" => spec.set("CATALOGUE", file.to_string_lossy()),
            _ => spec,
        }
    })
}

async fn decide(
    client: &CoordinatorClient<Channel>,
    request: pb::DecideRequest,
) -> Result<pb::DecideResponse, Status> {
    client.clone().decide(request).await.map(tonic::Response::into_inner)
}

fn constrained(constraints: pb::Constraints) -> pb::DecideRequest {
    pb::DecideRequest { constraints: Some(constraints), ..requests::decide(3) }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn the_chain_of_the_research_framework_is_alive() {
    let cluster = Cluster::start_with(|spec| spec.on_version(1));
    let answer = decide(&cluster.client(), requests::decide_explained(3)).await.unwrap();
    assert_eq!(answer.catalogue.unwrap().name, "research");
    let scores: Vec<usize> = answer.layers.iter().map(|layer| layer.scores.len()).collect();
    assert_eq!(scores, [3, 24, 0]);
    for layer in &answer.layers {
        assert_eq!(layer.inference.as_ref().unwrap().version, 1);
    }
}

#[tokio::test]
async fn a_function_is_placed_anywhere_in_the_world() {
    let cluster = world();
    let client = cluster.client();
    let answer = decide(&client, requests::decide_explained(3)).await.unwrap();
    assert_eq!(answer.catalogue.as_ref().unwrap().name, "world");
    let [strategic, tactical, _] = &answer.layers[..] else { panic!("three layers") };
    for layer in [strategic, tactical] {
        let inference = layer.inference.as_ref().unwrap();
        assert_eq!((inference.version, inference.policy.as_str()), (3, "formula"));
        assert_eq!(layer.scores.len(), layer.labels.len());
    }
    let placement = answer.placement.as_ref().unwrap();
    assert!(strategic.labels.contains(&placement.platform));
    let chosen = format!("{}/{}", placement.region, placement.memory_mb);
    let position = tactical.labels.iter().position(|label| *label == chosen).unwrap();
    // The best of those that are not dominated is chosen; the rest is listed.
    let best = tactical.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert_eq!(tactical.scores[position], best);
    assert!(answer.dominated.len() > 100, "{}", answer.dominated.len());
    assert!(!answer.dominated.contains(placement));

    let frankfurt = constrained(pb::Constraints {
        allowed_regions: names(&["eu-central-1"]),
        allowed_architectures: names(&["arm64"]),
        ..Default::default()
    });
    let placement = decide(&client, frankfurt).await.unwrap().placement.unwrap();
    assert_eq!(placement.platform, "aws-lambda-arm64");
    assert_eq!((placement.region.as_str(), placement.provider.as_str()), ("eu-central-1", "aws"));
}

#[tokio::test]
async fn a_size_that_is_not_on_sale_and_a_region_that_is_not_listed_are_understood() {
    let cluster = world();
    let client = cluster.client();
    let current = |platform: &str, region: &str, memory_mb| {
        let (platform, region) = (platform.to_owned(), region.to_owned());
        let placement = pb::Placement { platform, region, memory_mb, provider: String::new() };
        pb::DecideRequest { current: Some(placement), ..requests::decide(3) }
    };
    let between = decide(&client, current("aws-lambda", "eu-central-1", 1234)).await.unwrap();
    assert!(between.unknown.is_empty());
    assert!(between.current_estimate.unwrap().cost_usd > 0.0);
    let outside = decide(&client, current("aws-lambda", "mars-1", 1024)).await.unwrap();
    assert_eq!((outside.unknown, outside.current_estimate), (names(&["current.region"]), None));
    let elsewhere = decide(&client, current("fly", "fra", 1024)).await.unwrap();
    assert_eq!(elsewhere.unknown, ["current.platform"]);
    let home = pb::DecideRequest {
        workload: Some(pb::Workload {
            home: Some(pb::Home { place: Some(pb::home::Place::Region("eu-wset-1".to_owned())) }),
            duration_ms: Some(100.0),
            ..Default::default()
        }),
        ..requests::decide(3)
    };
    let status = decide(&client, home).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("did you mean `eu-west-1`?"), "{}", status.message());
}

/// A catalogue in Frankfurt alone; a company that buys Lambda for less.
const FRANKFURT: &str = "
format: 1
extends: world
name: frankfurt
only: {regions: [aws/eu-central-1, gcp/europe-west3, azure/germanywestcentral]}
default_area: eu-central
";

/// What adds a provider, a platform, a region and a size to it.
const OWN_CLUSTER: &str = "
sources:
  own: {text: Own accounts, date: 2026-11-02}
platforms:
  own-cluster:
    provider: acme
    architecture: x86_64
    memory_mb: [300, 700]
    processors: {vcpus: {1024: 1.0}, source: own}
    slowdown: {cpu: {300: 2.0, 700: 1.0}, wait: 1.0, source: own}
    billing: {memory: configured, rounding_ms: 1.0, source: own}
    price: {node: {usd_per_hour: 0.02, memory_gb: 64.0, utilisation: 0.9}, source: own}
    regions: {cellar: {}}
    cold_start: {mean_ms: 90.0, median_ms: 80.0, p95_ms: 160.0, removed: [[60.0, 1.0]], source: own}
    machines: {idle_watts: 0.5, full_watts: 2.0, embodied_g_per_vcpu_hour: 0.2, source: own}
regions:
  acme/cellar:
    place: Frankfurt
    latitude: 50.1
    longitude: 8.7
    residency: [EU]
    grid: DE
    pue: {value: 1.1, source: own}
    egress: {internet_usd_per_gb: 0.01, same_provider_usd_per_gb: 0.0, source: own}
";

#[tokio::test]
async fn a_provider_a_region_and_a_size_come_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("catalogue.yaml");
    fs::write(&file, format!("{FRANKFURT}{OWN_CLUSTER}")).unwrap();
    let cluster = coordinator_on(&file);
    let client = cluster.client();
    let own = pb::Constraints { allowed_providers: names(&["acme"]), ..Default::default() };
    let placement = decide(&client, constrained(own)).await.unwrap().placement.unwrap();
    assert_eq!(placement.platform, "own-cluster");
    assert_eq!((placement.region.as_str(), placement.provider.as_str()), ("cellar", "acme"));
    assert!([300, 700].contains(&placement.memory_mb));
    // It is nearest and cheapest, so it is chosen without a constraint too.
    let at_home = pb::DecideRequest {
        workload: Some(pb::Workload {
            home: Some(pb::Home { place: Some(pb::home::Place::Region("acme/cellar".to_owned())) }),
            avg_duration_ms: Some(200.0),
            memory_mb: Some(200.0),
            ..Default::default()
        }),
        current: None,
        ..requests::decide(3)
    };
    let placement = decide(&client, at_home).await.unwrap().placement.unwrap();
    assert_eq!(placement.platform, "own-cluster");
}

#[tokio::test]
async fn a_catalogue_is_replaced_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("catalogue.yaml");
    fs::write(&file, FRANKFURT).unwrap();
    let cluster = coordinator_on(&file);
    let client = cluster.client();
    let mut catalogues = CataloguesClient::new(cluster.coordinator.channel());
    let shown = catalogues.get_catalogue(pb::GetCatalogueRequest {}).await.unwrap().into_inner();
    assert_eq!((shown.name.as_str(), shown.regions.len()), ("frankfurt", 3));

    fs::write(&file, format!("{FRANKFURT}{OWN_CLUSTER}")).unwrap();
    let reload = pb::ReloadCatalogueRequest {};
    let reloaded = catalogues.reload_catalogue(reload).await.unwrap().into_inner();
    assert_eq!(reloaded.regions.len(), 4);
    assert_ne!(reloaded.revision, shown.revision);
    let decided = decide(&client, requests::decide(3)).await.unwrap();
    assert_eq!(decided.catalogue.unwrap().revision, reloaded.revision);

    // A mistake is named, and the catalogue in force stays.
    fs::write(&file, format!("{FRANKFURT}providers: {{aws: {{discount: 17}}}}")).unwrap();
    let refused = catalogues.reload_catalogue(reload).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("providers.aws.discount"), "{}", refused.message());
    cluster.coordinator.signal(Signal::HUP);
    eventually("the refusal is logged", || {
        (cluster.coordinator.logged("catalogue not reloaded") == 2).then_some(())
    });
    let decided = decide(&client, requests::decide(3)).await.unwrap();
    assert_eq!(decided.catalogue.unwrap().revision, reloaded.revision);

    fs::write(&file, FRANKFURT).unwrap();
    cluster.coordinator.signal(Signal::HUP);
    eventually("the catalogue is replaced", || {
        let wanted = format!("revision=\"{}\"", shown.revision);
        cluster.coordinator.metrics().contains(&wanted).then_some(())
    });
}

#[test]
fn a_service_does_not_start_on_a_catalogue_with_faults() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("catalogue.yaml");
    fs::write(&file, FRANKFURT.replace("eu-central\n", "atlantis\n")).unwrap();
    let spec = Spec::new("coordinator").set("CATALOGUE", file.to_string_lossy());
    let mut process = spec.spawn();
    assert!(!process.wait().success());
    let log = process.log();
    assert!(log.contains("default_area") && log.contains("atlantis"), "{log}");
}
