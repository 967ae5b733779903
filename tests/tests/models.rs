//! The life of a model's versions in real layers, while they answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use strata_tests::{
    Cluster, Process, Spec, command, eventually_async, finish, get, metric, requests, root,
};
use strata_wire::pb;
use strata_wire::pb::models_client::ModelsClient;
use strata_wire::pb::strategic_client::StrategicClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// A repository of one's own with the bundled versions 1 and 2 of the strategic model.
fn repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for number in [1, 2] {
        publish(dir.path(), number);
    }
    dir
}

fn publish(dir: &Path, number: u32) {
    let place = format!("strategic/{number}");
    let (from, to) = (root().join("models").join(&place), dir.join(&place));
    fs::create_dir_all(&to).unwrap();
    // The manifest comes last: what has none is no version yet.
    for file in ["model.onnx", "manifest.yaml"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// A strategic layer that serves version 1 of a repository.
fn strategic(dir: &Path) -> Spec {
    let dir = dir.to_str().unwrap();
    Spec::new("strategic").set("MODELS_DIR", dir).set("MODELS_VERSION", "1")
}

fn shares(shares: &[(u32, u32)]) -> pb::SetTrafficRequest {
    let share = |(version, percent): &(u32, u32)| pb::TrafficShare {
        version: *version,
        percent: *percent,
        ..Default::default()
    };
    pb::SetTrafficRequest { shares: shares.iter().map(share).collect(), ..Default::default() }
}

/// A person at work on a layer's versions.
struct Operator(ModelsClient<Channel>);

impl Operator {
    fn of(process: &Process) -> Self {
        Self(ModelsClient::new(process.channel()))
    }

    async fn list(&mut self) -> BTreeMap<u32, pb::ModelVersion> {
        let listed = self.0.list(pb::ListModelsRequest::default()).await.unwrap().into_inner();
        listed.versions.into_iter().map(|version| (version.version, version)).collect()
    }

    async fn load(&mut self, version: u32) -> Result<pb::ModelVersion, Status> {
        let request = pb::LoadModelRequest { version, ..Default::default() };
        self.0.load(request).await.map(tonic::Response::into_inner)
    }

    async fn unload(&mut self, version: u32) -> Result<(), Status> {
        self.0.unload(pb::UnloadModelRequest { version, ..Default::default() }).await.map(drop)
    }

    async fn share(&mut self, traffic: &[(u32, u32)]) -> Result<(), Status> {
        self.0.set_traffic(shares(traffic)).await.map(drop)
    }

    async fn roll_back(&mut self) -> Result<(), Status> {
        self.0.rollback(pb::RollbackRequest::default()).await.map(drop)
    }
}

fn is_ready(process: &Process) -> bool {
    get(process.admin(), "/readyz").is_some_and(|answer| answer.status == 200)
}

/// The version of the strategic model that a decision names.
fn version_of(decision: &pb::DecideResponse) -> u32 {
    decision.layers[0].inference.as_ref().unwrap().version
}

/// Callers who go on asking until they are stopped; nothing they ask may fail.
struct Callers {
    stop: Arc<AtomicBool>,
    /// How often each version answered; a table by version, 1 and 2.
    answered: Arc<[AtomicU64; 3]>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Callers {
    /// Eight who want decisions, and two who ask the layer itself.
    fn start(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered: Arc<[AtomicU64; 3]> = Arc::default();
        let mut callers = Self { stop, answered, tasks: Vec::new() };
        for number in 0..8 {
            let client = cluster.client();
            callers.call(move |turn| {
                let mut client = client.clone();
                async move {
                    let request = requests::decide(number * 1000 + turn % 50);
                    Ok(version_of(&client.decide(request).await?.into_inner()))
                }
            });
        }
        for _ in 0..2 {
            let client = cluster.strategic();
            callers.call(move |_| {
                let mut client = client.clone();
                async move {
                    let mut request = tonic::Request::new(requests::select());
                    // A busy machine must not make this fail.
                    request.set_timeout(std::time::Duration::from_secs(30));
                    let answer = client.select(request).await?.into_inner();
                    Ok(answer.inference.unwrap().version)
                }
            });
        }
        callers
    }

    fn call<F>(&mut self, ask: impl Fn(usize) -> F + Send + 'static)
    where
        F: Future<Output = Result<u32, Status>> + Send,
    {
        let (stop, answered) = (Arc::clone(&self.stop), Arc::clone(&self.answered));
        self.tasks.push(tokio::spawn(async move {
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let version = ask(turn).await.expect("no call fails");
                answered[version as usize].fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    /// Answers by versions 1 and 2.
    fn answered(&self) -> [u64; 2] {
        [1, 2].map(|version: usize| self.answered[version].load(Ordering::Relaxed))
    }

    /// Waits until so many more answers came, whoever gave them.
    async fn go_on(&self, more: u64) {
        let sum = || self.answered().iter().sum::<u64>();
        let goal = sum() + more;
        eventually_async("answers", async || {
            let failed = self.tasks.iter().any(|task| task.is_finished());
            (failed || sum() >= goal).then_some(())
        })
        .await;
    }

    async fn stop(self) -> [u64; 2] {
        self.stop.store(true, Ordering::Relaxed);
        let answered = Arc::clone(&self.answered);
        for task in self.tasks {
            task.await.unwrap();
        }
        [1, 2].map(|version: usize| answered[version].load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_versions_come_take_over_and_go() {
    let dir = repository();
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "strategic" => strategic(dir.path()),
        // A busy machine must not make this fail.
        "coordinator" => spec.set("REQUESTS_DEFAULT_TIMEOUT", "30s"),
        _ => spec,
    });
    let callers = Callers::start(&cluster);
    let mut operator = Operator::of(&cluster.strategic);
    for _ in 0..10 {
        callers.go_on(20).await;
        operator.load(2).await.unwrap();
        operator.share(&[(1, 90), (2, 10)]).await.unwrap();
        callers.go_on(20).await;
        operator.share(&[(1, 50), (2, 50)]).await.unwrap();
        callers.go_on(20).await;
        operator.share(&[(2, 100)]).await.unwrap();
        operator.unload(1).await.unwrap();
        callers.go_on(20).await;
        // To the two halves, for which version 1 is loaded again.
        operator.roll_back().await.unwrap();
        callers.go_on(20).await;
        operator.share(&[(1, 100)]).await.unwrap();
        operator.unload(2).await.unwrap();
        assert!(is_ready(&cluster.strategic) && is_ready(&cluster.coordinator));
    }
    let [one, two] = callers.stop().await;
    assert!(one > 0 && two > 0, "{one} and {two}");
    let metrics = cluster.strategic.metrics();
    let loads = metric(&metrics, "strata_layer_model_loads_total", &[("outcome", "loaded")]);
    assert_eq!(loads, 20.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_sees_one_version_of_a_canary() {
    let dir = repository();
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "strategic" => strategic(dir.path()),
        _ => spec,
    });
    let mut operator = Operator::of(&cluster.strategic);
    operator.load(2).await.unwrap();
    operator.share(&[(1, 70), (2, 30)]).await.unwrap();
    let mut client = cluster.client();
    let mut versions = Vec::new();
    for number in 0..40 {
        let mut seen = BTreeSet::new();
        for moment in 0..3 {
            // What else is said of a function changes, its name does not.
            let mut request = requests::decide(number);
            request.workload.as_mut().unwrap().memory_mb = Some(100.0 + f64::from(moment));
            seen.insert(version_of(&client.decide(request).await.unwrap().into_inner()));
        }
        assert_eq!(seen.len(), 1, "function {number}: {seen:?}");
        versions.extend(seen);
    }
    assert!(versions.contains(&1) && versions.contains(&2), "{versions:?}");
    let listed = operator.list().await;
    assert_eq!(
        (listed[&1].labels[0].as_str(), listed[&2].labels[0].as_str()),
        ("stable", "canary")
    );
}

#[tokio::test]
async fn a_bad_version_is_refused_and_the_old_one_goes_on() {
    let dir = repository();
    let graph = dir.path().join("strategic/2/model.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&graph, bytes).unwrap();
    let process = strategic(dir.path()).start();
    let mut operator = Operator::of(&process);
    let status = operator.load(2).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("sha256"), "{status:?}");
    let listed = operator.list().await;
    assert_eq!(listed[&2].state(), pb::ModelState::Failed);
    assert!(listed[&2].error.contains("sha256"));
    assert_eq!((listed[&1].state(), listed[&1].traffic_percent), (pb::ModelState::Ready, 100));
    assert_eq!(operator.share(&[(2, 100)]).await.unwrap_err().code(), Code::FailedPrecondition);
    assert!(is_ready(&process));
    let refused = [("outcome", "refused")];
    assert_eq!(metric(&process.metrics(), "strata_layer_model_loads_total", &refused), 1.0);
    assert!(process.log().contains("version refused"));
    let mut client = StrategicClient::new(process.channel());
    let answer = client.select(requests::select()).await.unwrap().into_inner();
    assert_eq!(answer.inference.unwrap().version, 1);
    assert_eq!(operator.load(7).await.unwrap_err().code(), Code::NotFound);
    let request = pb::ListModelsRequest { model: "tactical".to_owned() };
    assert_eq!(operator.0.list(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_version_that_appears_takes_over_where_the_directory_is_watched() {
    let dir = repository();
    let elsewhere = tempfile::tempdir().unwrap();
    let waiting = elsewhere.path().join("2");
    let place = dir.path().join("strategic/2");
    fs::rename(&place, &waiting).unwrap();
    let process = Spec::new("strategic")
        .set("MODELS_DIR", dir.path().to_str().unwrap())
        .set("MODELS_VERSIONS", "latest:1")
        .set("MODELS_POLL_INTERVAL", "100ms")
        .start();
    let mut operator = Operator::of(&process);
    assert_eq!(operator.list().await[&1].traffic_percent, 100);
    fs::rename(&waiting, &place).unwrap();
    eventually_async("version 2 to take over", async || {
        operator.list().await.get(&2).filter(|version| version.traffic_percent == 100).cloned()
    })
    .await;
    operator.roll_back().await.unwrap();
    let mut client = StrategicClient::new(process.channel());
    let answer = client.select(requests::select()).await.unwrap().into_inner();
    assert_eq!(answer.inference.unwrap().version, 1);
}

#[test]
fn the_command_line_does_all_of_it() {
    let dir = repository();
    let process = strategic(dir.path()).start();
    let endpoint = process.spec().endpoint();
    let strata = |line: &str| {
        let mut command = command("strata");
        let arguments = line.split_whitespace();
        let output = finish({
            command.arg("models").args(arguments).args(["--endpoint", &endpoint]);
            command
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    for (line, told) in [
        ("list", "available"),
        ("load 2", "0 %"),
        ("traffic 1=90 2=10", "canary"),
        ("traffic canary=100", "100 %"),
        ("rollback", "canary"),
        ("traffic stable=100 --shadow 2", "no rows yet"),
        ("traffic 1=100", "stable"),
        ("unload 2", "available"),
        ("list --json", "\"trafficPercent\": 100"),
    ] {
        let (well, text) = strata(line);
        assert!(well && text.contains(told), "{line}: {text}");
    }
    let (well, text) = strata("unload 1");
    assert!(!well && text.contains("FAILED_PRECONDITION") && text.contains("100 %"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_loads_and_unloads_take_no_more_memory_than_fifty() {
    let dir = repository();
    let process = strategic(dir.path()).start();
    let mut operator = Operator::of(&process);
    let resident = || metric(&process.metrics(), "process_resident_memory_bytes", &[]);
    let mut seen = Vec::new();
    for cycle in 1..=1000 {
        operator.load(2).await.unwrap();
        operator.unload(2).await.unwrap();
        if cycle % 50 == 0 {
            seen.push(resident());
        }
    }
    let growth = seen[seen.len() - 1] / seen[0] - 1.0;
    let megabytes: Vec<_> = seen.iter().map(|bytes| format!("{:.1}", bytes / 1e6)).collect();
    let text = format!("{growth:+.4} from the 50th to the last; MB: {}", megabytes.join(" "));
    println!("{text}");
    assert!(growth < 0.05, "{text}");
    assert_eq!(operator.list().await[&1].traffic_percent, 100);
    assert!(is_ready(&process));
}
