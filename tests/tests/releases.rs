//! Releases over real layers, in the cluster and in one process, while callers ask.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;
use strata_tests::{
    Cluster, Process, Spec, command, eventually_async, finish, get, metric, requests, root,
};
use strata_wire::pb;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use strata_wire::pb::decide_stream_response::Result as Answer;
use strata_wire::pb::models_client::ModelsClient;
use strata_wire::pb::releases_client::ReleasesClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const LAYERS: [&str; 3] = ["STRATEGIC", "TACTICAL", "OPERATIONAL"];

fn release(name: &str, [strategic, tactical, operational]: [u32; 3]) -> pb::Release {
    pb::Release { name: name.to_owned(), strategic, tactical, operational }
}

/// The releases of these tests differ in every layer. The layers' own traffic goes to version 1.
fn one() -> pb::Release {
    release("one", [1, 1, 1])
}

fn two() -> pb::Release {
    release("two", [2, 2, 2])
}

/// A layer whose traffic goes to version 1; anything else is as it was.
fn on_version_1(spec: Spec) -> Spec {
    match spec.name() {
        "coordinator" => spec,
        _ => spec.set("MODELS_VERSION", "1"),
    }
}

/// A coordinator and its layers, wherever they are.
#[derive(Clone)]
struct Site {
    coordinator: Channel,
    layers: [Channel; 3],
}

impl Site {
    fn of(cluster: &Cluster) -> Self {
        let layers = [&cluster.strategic, &cluster.tactical, &cluster.operational];
        Self { coordinator: cluster.coordinator.channel(), layers: layers.map(Process::channel) }
    }

    fn of_node(node: &Process) -> Self {
        let channel = |layer| {
            let address = node.spec().setting(&format!("{layer}_GRPC_LISTEN"));
            Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
        };
        Self { coordinator: node.channel(), layers: LAYERS.map(channel) }
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

    /// Unloads a version of a layer behind the coordinator's back.
    async fn unload(&self, layer: usize, version: u32) {
        let mut models = ModelsClient::new(self.layers[layer].clone());
        models.unload(pb::UnloadModelRequest { version, ..Default::default() }).await.unwrap();
    }
}

/// The versions that made a decision, in the order of the chain.
fn versions(decision: &pb::DecideResponse) -> Vec<u32> {
    decision.layers.iter().map(|layer| layer.inference.as_ref().unwrap().version).collect()
}

/// 0 for a decision by traffic, else the release; it must have been made by the versions it names and no others.
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

/// Callers who go on asking until they are stopped; nothing they ask may fail or be answered by two releases.
struct Callers {
    stop: Arc<AtomicBool>,
    /// Answers by their maker.
    answered: Arc<[AtomicU64; 3]>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Callers {
    /// Eight with a call at a time and one with 64 requests on a stream.
    fn start(site: &Site) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<[AtomicU64; 3]>::default());
        let mut tasks = Vec::new();
        for number in 0..8 {
            let (site, stop, answered) = (site.clone(), Arc::clone(&stop), Arc::clone(&answered));
            tasks.push(tokio::spawn(async move {
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let decision =
                        site.decide(number * 1000 + turn % 50).await.expect("no call fails");
                    answered[maker(&decision)].fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let streaming = stream(site.clone(), Arc::clone(&stop), Arc::clone(&answered));
        tasks.push(tokio::spawn(streaming));
        Self { stop, answered, tasks }
    }

    fn answers(&self) -> [u64; 3] {
        [0, 1, 2].map(|maker: usize| self.answered[maker].load(Ordering::Relaxed))
    }

    /// Waits until so many more answers came.
    async fn go_on(&self, more: u64) {
        let sum = || self.answers().iter().sum::<u64>();
        let goal = sum() + more;
        eventually_async("answers", async || {
            let failed = self.tasks.iter().any(|task| task.is_finished());
            (failed || sum() >= goal).then_some(())
        })
        .await;
    }

    async fn stop(mut self) -> [u64; 3] {
        self.stop.store(true, Ordering::Relaxed);
        for task in std::mem::take(&mut self.tasks) {
            task.await.unwrap();
        }
        self.answers()
    }
}

async fn stream(site: Site, stop: Arc<AtomicBool>, answered: Arc<[AtomicU64; 3]>) {
    const IN_FLIGHT: usize = 64;
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    for number in 0..IN_FLIGHT {
        sender.send(requests::decide(number)).await.unwrap();
    }
    let mut client = CoordinatorClient::new(site.coordinator);
    let answers = client.decide_stream(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = answers.into_inner();
    let mut sender = Some(sender);
    let mut number = IN_FLIGHT;
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        match answer.result {
            Some(Answer::Decision(decision)) => {
                answered[maker(&decision)].fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("no request fails: {other:?}"),
        }
        if stop.load(Ordering::Relaxed) {
            sender = None;
        }
        if let Some(sender) = &sender {
            number += 1;
            sender.send(requests::decide(number % 500)).await.unwrap();
        }
    }
}

/// Back and forth between two releases and none, with versions that are unloaded behind the coordinator's back.
async fn change_under_load(site: &Site) -> [u64; 3] {
    let callers = Callers::start(site);
    for layer in [0, 1, 2, 0, 1, 2] {
        callers.go_on(100).await;
        let listed = site.switch(two()).await.unwrap();
        assert_eq!(listed.in_force, Some(two()));
        assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
        callers.go_on(100).await;
        // In use: it is loaded again by the first row that misses it.
        site.unload(layer, 2).await;
        callers.go_on(100).await;
        site.switch(one()).await.unwrap();
        assert_eq!(maker(&site.decide(0).await.unwrap()), 1);
        callers.go_on(100).await;
        // Decisions of release two are over: not in use, and loaded again by the rollback.
        site.unload((layer + 1) % 3, 2).await;
        assert_eq!(site.roll_back().await.unwrap().in_force, Some(two()));
        assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
        callers.go_on(100).await;
        assert_eq!(site.clear().await.in_force, None);
        assert_eq!(maker(&site.decide(0).await.unwrap()), 0);
    }
    callers.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_decision_is_of_two_releases_while_they_change() {
    let cluster = Cluster::start_with(on_version_1);
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
    let node = LAYERS
        .iter()
        .fold(Spec::node(), |spec, layer| spec.set(&format!("{layer}_MODELS_VERSION"), "1"));
    // A busy machine must not make this fail.
    let node = node.set("COORDINATOR_REQUESTS_DEFAULT_TIMEOUT", "30s").start();
    let makers = change_under_load(&Site::of_node(&node)).await;
    assert!(makers.iter().all(|count| *count > 100), "{makers:?}");
    println!("decisions by traffic, by release one, by release two: {makers:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_a_layer_refuses_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    copy(&root().join("models"), dir.path());
    let graph = dir.path().join("tactical/2/model.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&graph, bytes).unwrap();
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "tactical" => on_version_1(spec).set("MODELS_DIR", dir.path().to_str().unwrap()),
        _ => on_version_1(spec),
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
    let fields = strata_tests::violated_fields(&bad);
    assert_eq!(fields, ["release.name", "release.tactical"]);
    assert!(get(cluster.coordinator.admin(), "/readyz").unwrap().status == 200);
    let metrics = cluster.coordinator.metrics();
    let refused = [("change", "switch"), ("outcome", "refused")];
    assert_eq!(metric(&metrics, "strata_coordinator_release_changes_total", &refused), 2.0);
    let labels = [("release", "one"), ("tactical", "1")];
    assert_eq!(metric(&metrics, "strata_coordinator_release_info", &labels), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_restarts_loads_the_release_before_it_is_asked() {
    let beside = on_version_1(Spec::new("tactical"));
    let mut second = beside.start();
    let both = |first: &str| format!("{first},{}", beside.endpoint());
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => {
            let first = spec.setting("LAYERS_TACTICAL").to_owned();
            spec.set("LAYERS_TACTICAL", both(&first))
        }
        _ => on_version_1(spec),
    });
    let site = Site::of(&cluster);
    let links = |wanted| {
        let coordinator = &cluster.coordinator;
        eventually_async("links", async move || {
            let labels = [("layer", "tactical")];
            let page = coordinator.metrics();
            (metric(&page, "strata_coordinator_layer_links", &labels) == wanted).then_some(())
        })
    };
    links(2.0).await;
    site.switch(two()).await.unwrap();
    let callers = Callers::start(&site);
    for _ in 0..3 {
        callers.go_on(100).await;
        second.signal(Signal::TERM);
        assert_eq!(second.wait().code(), Some(0));
        callers.go_on(100).await;
        // It starts with version 1, and nobody tells it of the release but the coordinator.
        second = beside.start();
        links(2.0).await;
        callers.go_on(200).await;
        let rows = metric(&second.metrics(), "strata_layer_rows_answered_total", &[]);
        assert!(rows > 0.0, "{rows}");
        let faults = second.metrics().contains("strata_layer_row_faults_total{");
        assert!(!faults, "a row came before the version");
    }
    let makers = callers.stop().await;
    assert_eq!((makers[0], makers[1]), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_may_be_in_force_from_the_start() {
    let settings = |spec: Spec, prefix: &str| {
        let set = |spec: Spec, (name, value): (&str, &str)| {
            spec.set(&format!("{prefix}RELEASE_{name}"), value)
        };
        let all = [("NAME", "two"), ("STRATEGIC", "2"), ("TACTICAL", "2"), ("OPERATIONAL", "2")];
        all.into_iter().fold(spec, set)
    };
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => settings(spec, ""),
        _ => on_version_1(spec),
    });
    let site = Site::of(&cluster);
    assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
    site.clear().await;
    assert_eq!(maker(&site.decide(0).await.unwrap()), 0);
    site.roll_back().await.unwrap();
    assert_eq!(maker(&site.decide(0).await.unwrap()), 2);
    let on_1 = LAYERS.iter().fold(settings(Spec::node(), "COORDINATOR_"), |spec, layer| {
        spec.set(&format!("{layer}_MODELS_VERSION"), "1")
    });
    assert_eq!(maker(&Site::of_node(&on_1.start()).decide(0).await.unwrap()), 2);
    let mut missing = on_1.set("COORDINATOR_RELEASE_TACTICAL", "9").spawn();
    assert_eq!(missing.wait().code(), Some(1));
    assert!(missing.log().contains("the tactical layer"), "{}", missing.log());
    let mut partial = Spec::new("coordinator").set("RELEASE_NAME", "r1").spawn();
    assert_eq!(partial.wait().code(), Some(2));
    assert!(partial.log().contains("release.strategic: must be"), "{}", partial.log());
}

#[test]
fn the_command_line_does_all_of_it() {
    let cluster = Cluster::start_with(on_version_1);
    let endpoint = cluster.coordinator.spec().endpoint();
    let strata = |line: &str| {
        let mut command = command("strata");
        command.args(line.split_whitespace()).args(["--endpoint", &endpoint]);
        let output = finish(command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
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
        let (well, text) = strata(line);
        assert!(well && text.contains(told), "{line}: {text}");
    }
    let (well, text) = strata("releases switch r3 strategic=7 tactical=1 operational=1");
    assert!(!well && text.contains("NOT_FOUND") && text.contains("strategic"), "{text}");
}
