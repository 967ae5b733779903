//! Versions of a model that are loaded, get traffic and are unloaded while the layer answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use strata_tests::{
    Callers, Cluster, Process, Repository, Spec, eventually_async, patient, requests, strata,
};
use strata_wire::{
    pb,
    pb::{models_client::ModelsClient, strategic_client::StrategicClient},
};
use tonic::{Code, Status, transport::Channel};

/// The bundled versions 1 and 2 of the strategic model.
fn repository() -> Repository {
    Repository::with("strategic", &[1, 2])
}

/// A strategic layer that serves version 1 of a repository.
fn strategic(repository: &Repository) -> Spec {
    serving(Spec::new("strategic"), repository)
}

/// A cluster whose strategic layer serves version 1 of a repository.
fn cluster(repository: &Repository) -> Cluster {
    Cluster::start_with_service("strategic", |spec| serving(spec, repository))
}

fn serving(spec: Spec, repository: &Repository) -> Spec {
    spec.on_version(1).set("MODELS_DIR", repository.setting())
}

/// An operator who changes the versions of a layer.
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

    async fn share(&mut self, shares: &[(u32, u32)]) -> Result<(), Status> {
        self.0.set_traffic(requests::traffic(shares)).await.map(drop)
    }

    async fn roll_back(&mut self) -> Result<(), Status> {
        self.0.rollback(pb::RollbackRequest::default()).await.map(drop)
    }
}

/// The version of the strategic model that a decision names.
fn version_of(decision: &pb::DecideResponse) -> u32 {
    decision.layers[0].inference.as_ref().unwrap().version
}

/// Eight callers that want decisions, and two that ask the strategic layer itself. None of their
/// calls may fail. Their answers are counted by the version, 1 or 2, that gave them.
fn callers(cluster: &Cluster) -> Callers<2> {
    let mut callers = Callers::new();
    for number in 0..8 {
        let client = cluster.client();
        callers.repeat(move |turn| {
            let mut client = client.clone();
            async move {
                let request = requests::decide(number * 1000 + turn % 50);
                let answer = client.decide(request).await.expect("no call fails").into_inner();
                version_of(&answer) as usize - 1
            }
        });
    }
    for _ in 0..2 {
        let client = cluster.strategic();
        callers.repeat(move |_| {
            let mut client = client.clone();
            async move {
                let answer = client.select(patient(requests::select())).await;
                let inference = answer.expect("no call fails").into_inner().inference.unwrap();
                inference.version as usize - 1
            }
        });
    }
    callers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_versions_come_take_over_and_go() {
    let repository = repository();
    let cluster = cluster(&repository);
    let callers = callers(&cluster);
    let mut operator = Operator::of(&cluster.strategic);
    for _ in 0..10 {
        callers.wait_for_answers(20).await;
        operator.load(2).await.unwrap();
        operator.share(&[(1, 90), (2, 10)]).await.unwrap();
        callers.wait_for_answers(20).await;
        operator.share(&[(1, 50), (2, 50)]).await.unwrap();
        callers.wait_for_answers(20).await;
        operator.share(&[(2, 100)]).await.unwrap();
        operator.unload(1).await.unwrap();
        callers.wait_for_answers(20).await;
        // Back to one half each, for which version 1 is loaded again.
        operator.roll_back().await.unwrap();
        callers.wait_for_answers(20).await;
        operator.share(&[(1, 100)]).await.unwrap();
        operator.unload(2).await.unwrap();
        assert!(cluster.strategic.is_ready() && cluster.coordinator.is_ready());
    }
    let [one, two] = callers.stop().await;
    assert!(one > 0 && two > 0, "{one} and {two}");
    let loaded = [("outcome", "loaded")];
    let loads = cluster.strategic.metric("strata_layer_model_loads_total", &loaded);
    assert_eq!(loads, 20.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_sees_one_version_of_a_canary() {
    let repository = repository();
    let cluster = cluster(&repository);
    let mut operator = Operator::of(&cluster.strategic);
    operator.load(2).await.unwrap();
    operator.share(&[(1, 70), (2, 30)]).await.unwrap();
    let mut client = cluster.client();
    let mut versions = Vec::new();
    for number in 0..40 {
        let mut seen = BTreeSet::new();
        for moment in 0..3 {
            // The workload of the function changes, its name does not.
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
    let repository = repository();
    repository.corrupt("strategic", 2);
    let process = strategic(&repository).start();
    let mut operator = Operator::of(&process);
    let status = operator.load(2).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("sha256"), "{status:?}");
    let listed = operator.list().await;
    assert_eq!(listed[&2].state(), pb::ModelState::Failed);
    assert!(listed[&2].error.contains("sha256"));
    assert_eq!((listed[&1].state(), listed[&1].traffic_percent), (pb::ModelState::Ready, 100));
    assert_eq!(operator.share(&[(2, 100)]).await.unwrap_err().code(), Code::FailedPrecondition);
    assert!(process.is_ready());
    let refused = [("outcome", "refused")];
    assert_eq!(process.metric("strata_layer_model_loads_total", &refused), 1.0);
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
    let repository = Repository::with("strategic", &[1]);
    let elsewhere = Repository::with("strategic", &[2]);
    let process = Spec::new("strategic")
        .set("MODELS_DIR", repository.setting())
        .set("MODELS_VERSIONS", "latest:1")
        .set("MODELS_POLL_INTERVAL", "100ms")
        .start();
    let mut operator = Operator::of(&process);
    assert_eq!(operator.list().await[&1].traffic_percent, 100);
    // At once, as a publication must be.
    let published = repository.version("strategic", 2);
    fs::rename(elsewhere.version("strategic", 2), published).unwrap();
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
    let repository = repository();
    let process = strategic(&repository).start();
    let endpoint = process.spec().endpoint();
    let models = |line: &str| {
        let finished = strata(&format!("models {line} --endpoint {endpoint}"));
        (finished.status.success(), finished.text())
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
        let (succeeded, text) = models(line);
        assert!(succeeded && text.contains(told), "{line}: {text}");
    }
    let (succeeded, text) = models("unload 1");
    assert!(!succeeded && text.contains("FAILED_PRECONDITION") && text.contains("100 %"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_loads_and_unloads_take_no_more_memory_than_fifty() {
    let repository = repository();
    let process = strategic(&repository).start();
    let mut operator = Operator::of(&process);
    let resident = || process.metric("process_resident_memory_bytes", &[]);
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
    assert!(process.is_ready());
}
