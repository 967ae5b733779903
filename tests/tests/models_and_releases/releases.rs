//! Releases that are put in force while callers ask, in the cluster and in one process.

use rustix::process::Signal;
use strata_tests::{
    Callers, Cluster, LAYERS, Node, Process, Repository, Spec, Tally, metric, requests, strata,
    violated_fields,
};
use strata_wire::{
    pb,
    pb::{
        coordinator_client::CoordinatorClient, decide_stream_response::Result as Answer,
        models_client::ModelsClient, releases_client::ReleasesClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, transport::Channel};

fn release(name: &str, [strategic, tactical, operational]: [u32; 3]) -> pb::Release {
    pb::Release { name: name.to_owned(), strategic, tactical, operational }
}

/// The releases `one` and `two` differ in every layer.
fn one() -> pb::Release {
    release("one", [1, 1, 1])
}

fn two() -> pb::Release {
    release("two", [2, 2, 2])
}

/// Connections to a coordinator and its layers, in one process or in four.
#[derive(Clone)]
struct Site {
    coordinator: Channel,
    layers: [Channel; 3],
}

impl Site {
    fn of(cluster: &Cluster) -> Self {
        let layers = cluster.layers().map(Process::channel);
        Self { coordinator: cluster.coordinator.channel(), layers }
    }

    fn of_node(node: &Node) -> Self {
        let layers = LAYERS.map(|layer| node.channel_to(layer));
        Self { coordinator: node.process.channel(), layers }
    }

    async fn decide(&self, number: usize) -> Result<pb::DecideResponse, Status> {
        let mut client = CoordinatorClient::new(self.coordinator.clone());
        client.decide(requests::decide(number)).await.map(tonic::Response::into_inner)
    }

    fn releases(&self) -> ReleasesClient<Channel> {
        ReleasesClient::new(self.coordinator.clone())
    }

    async fn list(&self) -> pb::ListReleasesResponse {
        self.releases().list(pb::ListReleasesRequest {}).await.unwrap().into_inner()
    }

    async fn switch(&self, release: pb::Release) -> Result<pb::ListReleasesResponse, Status> {
        let request = pb::SwitchReleaseRequest { release: Some(release) };
        self.releases().switch(request).await.map(tonic::Response::into_inner)
    }

    async fn roll_back(&self) -> Result<pb::ListReleasesResponse, Status> {
        let request = pb::RollbackReleaseRequest {};
        self.releases().rollback(request).await.map(tonic::Response::into_inner)
    }

    async fn clear(&self) -> pb::ListReleasesResponse {
        self.releases().clear(pb::ClearReleaseRequest {}).await.unwrap().into_inner()
    }

    /// Unloads a version of a layer without the coordinator's knowledge.
    async fn unload(&self, layer: usize, version: u32) {
        let mut models = ModelsClient::new(self.layers[layer].clone());
        models.unload(pb::UnloadModelRequest { version, ..Default::default() }).await.unwrap();
    }
}

/// The versions that made a decision, in the order of the chain.
fn versions(decision: &pb::DecideResponse) -> Vec<u32> {
    decision.layers.iter().map(|layer| layer.inference.as_ref().unwrap().version).collect()
}

/// The release that made a decision: 1, 2, or 0 for none, when the layers' own traffic chooses. The
/// versions must be those that the release names.
fn maker(decision: &pb::DecideResponse) -> usize {
    let (number, named) = match &decision.release {
        None => (0, vec![1, 1, 1]),
        Some(release) if *release == one() => (1, vec![1, 1, 1]),
        Some(release) if *release == two() => (2, vec![2, 2, 2]),
        other => panic!("an unknown release: {other:?}"),
    };
    assert_eq!(versions(decision), named, "{:?}", decision.release);
    number
}

/// Eight callers with one call at a time and one with 64 requests on a stream. None of their
/// requests may fail or be answered by two releases. Answers are counted by their [`maker`].
fn callers(site: &Site) -> Callers<3> {
    let mut callers = Callers::new();
    for number in 0..8 {
        let site = site.clone();
        callers.repeat(move |turn| {
            let site = site.clone();
            async move {
                let request = number * 1000 + turn % 50;
                maker(&site.decide(request).await.expect("no call fails"))
            }
        });
    }
    let client = CoordinatorClient::new(site.coordinator.clone());
    callers.run(|tally| stream(client, tally));
    callers
}

async fn stream(mut client: CoordinatorClient<Channel>, tally: Tally<3>) {
    const IN_FLIGHT: usize = 64;
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    for number in 0..IN_FLIGHT {
        sender.send(requests::decide(number)).await.unwrap();
    }
    let answers = client.decide_stream(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = answers.into_inner();
    let mut sender = Some(sender);
    let mut number = IN_FLIGHT;
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        match answer.result {
            Some(Answer::Decision(decision)) => tally.count(maker(&decision)),
            other => panic!("no request fails: {other:?}"),
        }
        if tally.stopped() {
            sender = None;
        }
        if let Some(sender) = &sender {
            number += 1;
            sender.send(requests::decide(number % 500)).await.unwrap();
        }
    }
}

/// Switches between two releases and none while callers ask, and unloads versions of a release
/// without the coordinator's knowledge.
async fn change_under_load(site: &Site) -> [u64; 3] {
    let callers = callers(site);
    for layer in [0, 1, 2, 0, 1, 2] {
        callers.wait_for_answers(100).await;
        let listed = site.switch(two()).await.unwrap();
        assert_eq!(listed.in_force, Some(two()));
        assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
        callers.wait_for_answers(100).await;
        // The version is in use: the first row that finds it missing has it loaded again.
        site.unload(layer, 2).await;
        callers.wait_for_answers(100).await;
        site.switch(one()).await.unwrap();
        assert_eq!(maker(&site.decide(0).await.unwrap()), 1);
        callers.wait_for_answers(100).await;
        // The version is not in use any more: the rollback loads it again.
        site.unload((layer + 1) % 3, 2).await;
        assert_eq!(site.roll_back().await.unwrap().in_force, Some(two()));
        assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
        callers.wait_for_answers(100).await;
        assert_eq!(site.clear().await.in_force, None);
        assert_eq!(maker(&site.decide(0).await.unwrap()), 0);
    }
    callers.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_decision_is_of_two_releases_while_they_change() {
    let cluster = Cluster::start_with(|spec| spec.on_version(1));
    let makers = change_under_load(&Site::of(&cluster)).await;
    assert!(makers.iter().all(|count| *count > 100), "{makers:?}");
    println!("decisions by traffic, by release one, by release two: {makers:?}");
    let metrics = cluster.coordinator.metrics();
    let done = |change| {
        let labels = [("change", change), ("outcome", "done")];
        metric(&metrics, "strata_coordinator_release_changes_total", &labels)
    };
    assert_eq!((done("switch"), done("rollback"), done("clear")), (12.0, 6.0, 6.0));
    assert!(!metrics.contains("strata_coordinator_release_info{"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_in_one_process() {
    let node = Node::start_with(|spec| {
        // A busy machine must not make this fail.
        let spec = spec.set("COORDINATOR_REQUESTS_DEFAULT_TIMEOUT", "30s");
        spec.set_layers("MODELS_VERSION", "1")
    });
    let makers = change_under_load(&Site::of_node(&node)).await;
    assert!(makers.iter().all(|count| *count > 100), "{makers:?}");
    println!("decisions by traffic, by release one, by release two: {makers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_a_layer_refuses_changes_nothing() {
    let repository = Repository::with("tactical", &[1, 2]);
    repository.corrupt("tactical", 2);
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "tactical" => spec.on_version(1).set("MODELS_DIR", repository.setting()),
        _ => spec.on_version(1),
    });
    let site = Site::of(&cluster);
    assert_eq!(site.roll_back().await.unwrap_err().code(), Code::FailedPrecondition);
    site.switch(one()).await.unwrap();
    let before = site.list().await;
    assert_eq!(before.history.len(), 2);
    let address = cluster.tactical.grpc().to_string();
    for (wrong, code, reason) in
        [([1, 9, 1], Code::NotFound, "9"), ([1, 2, 1], Code::FailedPrecondition, "sha256")]
    {
        let status = site.switch(release("wrong", wrong)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        for part in ["the tactical layer", &address, reason] {
            assert!(status.message().contains(part), "{part}: {status:?}");
        }
        assert_eq!(site.list().await, before);
        assert_eq!(maker(&site.decide(0).await.unwrap()), 1);
    }
    let bad = site.switch(release("a name", [1, 0, 1])).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    let fields = violated_fields(&bad);
    assert_eq!(fields, ["release.name", "release.tactical"]);
    assert!(cluster.coordinator.is_ready());
    let metrics = cluster.coordinator.metrics();
    let refused = [("change", "switch"), ("outcome", "refused")];
    assert_eq!(metric(&metrics, "strata_coordinator_release_changes_total", &refused), 2.0);
    let labels = [("release", "one"), ("tactical", "1")];
    assert_eq!(metric(&metrics, "strata_coordinator_release_info", &labels), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_restarts_loads_the_release_before_it_is_asked() {
    let beside = Spec::new("tactical").on_version(1);
    let mut second = beside.start();
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => spec.add_replica(&beside),
        _ => spec.on_version(1),
    });
    let site = Site::of(&cluster);
    cluster.wait_for_replicas("tactical", 2).await;
    site.switch(two()).await.unwrap();
    let callers = callers(&site);
    for _ in 0..3 {
        callers.wait_for_answers(100).await;
        second.signal(Signal::TERM);
        assert_eq!(second.wait().code(), Some(0));
        callers.wait_for_answers(100).await;
        // It starts with version 1; only the coordinator has it load the release.
        second = beside.start();
        cluster.wait_for_replicas("tactical", 2).await;
        callers.wait_for_answers(200).await;
        let rows = second.metric("strata_layer_rows_answered_total", &[]);
        assert!(rows > 0.0, "{rows}");
        let faults = second.metrics().contains("strata_layer_row_faults_total{");
        assert!(!faults, "a row came before the version");
    }
    let makers = callers.stop().await;
    assert_eq!((makers[0], makers[1]), (0, 0));
}

/// The settings that put release two in force from the start. Their names begin with `prefix`.
fn with_release_two(spec: Spec, prefix: &str) -> Spec {
    let all = [("NAME", "two"), ("STRATEGIC", "2"), ("TACTICAL", "2"), ("OPERATIONAL", "2")];
    all.into_iter()
        .fold(spec, |spec, (name, value)| spec.set(&format!("{prefix}RELEASE_{name}"), value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_may_be_in_force_from_the_start() {
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => with_release_two(spec, ""),
        _ => spec.on_version(1),
    });
    let site = Site::of(&cluster);
    assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
    site.clear().await;
    assert_eq!(maker(&site.decide(0).await.unwrap()), 0);
    site.roll_back().await.unwrap();
    assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
    let in_one_process =
        |spec: Spec| with_release_two(spec.set_layers("MODELS_VERSION", "1"), "COORDINATOR_");
    let node = Node::start_with(in_one_process);
    assert_eq!(maker(&Site::of_node(&node).decide(0).await.unwrap()), 2);
    drop(node);
    let mut missing = in_one_process(Spec::node()).set("COORDINATOR_RELEASE_TACTICAL", "9").spawn();
    assert_eq!(missing.wait().code(), Some(1));
    assert!(missing.log().contains("the tactical layer"), "{}", missing.log());
    let mut partial = Spec::new("coordinator").set("RELEASE_NAME", "r1").spawn();
    assert_eq!(partial.wait().code(), Some(2));
    assert!(partial.log().contains("release.strategic: must be"), "{}", partial.log());
}

#[test]
fn the_command_line_does_all_of_it() {
    let cluster = Cluster::start_with(|spec| spec.on_version(1));
    let endpoint = cluster.coordinator.spec().endpoint();
    let run = |line: &str| {
        let finished = strata(&format!("{line} --endpoint {endpoint}"));
        (finished.status.success(), finished.text())
    };
    for (line, told) in [
        ("releases list", "by traffic"),
        ("releases switch r1 strategic=1 tactical=1 operational=1", "r1"),
        ("releases switch r2 strategic=2 tactical=2 operational=1", "r2"),
        (
            "decide --application a --function f --duration-ms 10 --rate 300 --steady",
            "release    r2",
        ),
        ("releases rollback", "r1"),
        ("releases clear", "none"),
        ("releases list --json", "\"previous\""),
    ] {
        let (succeeded, text) = run(line);
        assert!(succeeded && text.contains(told), "{line}: {text}");
    }
    let (succeeded, text) = run("releases switch r3 strategic=7 tactical=1 operational=1");
    assert!(!succeeded && text.contains("NOT_FOUND") && text.contains("strategic"), "{text}");
}
