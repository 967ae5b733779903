//! The life cycle of versions, with real models in a repository of the test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use strata_chassis::{Binary, Drain, Metrics};
use strata_domain::FaultKind;
use strata_runtime::{ExecutionProvider, ModelOptions, OnnxRuntime, Precision, Repository};
use strata_wire::{Row, TracePlace, pb};
use tracing::Span;

use super::{Catalog, Loader, Policy, Start, expose_figures, snapshot::MAX_LOADED};
use crate::{
    adapter::{
        Adapter, Strategic,
        tests::{facts, research},
    },
    metrics::LayerMetrics,
    models::Source,
    serving::{Asked, Parts, RowsByVersion, Service},
};

mod axis;
mod precision;
mod waiting;

/// A layer with a repository in a temporary directory.
struct Layer<A = Strategic> {
    dir: tempfile::TempDir,
    catalog: Arc<Catalog<A>>,
    service: Service<A>,
    registry: Metrics,
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/strategic")
}

/// Publishes a bundled version under another number.
fn publish(dir: &Path, from: u32, number: u32) {
    let (from_dir, to) = (models().join(from.to_string()), dir.join(format!("strategic/{number}")));
    fs::create_dir_all(&to).unwrap();
    fs::copy(from_dir.join("model.onnx"), to.join("model.onnx")).unwrap();
    let manifest = fs::read_to_string(from_dir.join("manifest.yaml")).unwrap();
    let (mine, its) = (format!("\nversion: {number}\n"), format!("\nversion: {from}\n"));
    assert!(manifest.contains(&its));
    fs::write(to.join("manifest.yaml"), manifest.replacen(&its, &mine, 1)).unwrap();
}

impl Layer {
    /// Starts with versions 1 and 2, copies of the bundled ones; version 1 answers.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), 1, 1);
        publish(dir.path(), 2, 2);
        Self::start_in(dir, &Start { version: Some(1), policy: &Policy::Latest(1) })
    }
}

impl<A: Adapter> Layer<A> {
    fn start_in(dir: tempfile::TempDir, start: &Start<'_>) -> Self {
        let runtime = OnnxRuntime::load(None).expect("ONNX Runtime; `make ort` fetches it");
        let registry = Metrics::new(&Binary { name: "", about: "", env_prefix: "", version: "" });
        let metrics = LayerMetrics::register(&registry);
        let execution_provider = ExecutionProvider::Cpu;
        let loader = Loader {
            runtime,
            repository: Repository::open(dir.path()).unwrap(),
            catalogue: research(),
            options: ModelOptions { execution_provider, ..Default::default() },
            precision: Precision::Int8,
            metrics: metrics.clone(),
        };
        let catalog = Arc::new(Catalog::start(loader, start).unwrap());
        let read = Arc::clone(&catalog);
        expose_figures(&registry, move || read.figures());
        let drain = Drain::new(Duration::from_secs(1), Duration::ZERO);
        let service = Service::new(Parts { catalog: Arc::clone(&catalog), metrics, drain });
        Self { dir, catalog, service, registry }
    }

    async fn share(&self, shares: &[(u32, u32)], shadows: &[u32]) -> Result<(), FaultKind> {
        let share = |(version, percent): &(u32, u32)| pb::TrafficShare {
            version: *version,
            percent: *percent,
            label: String::new(),
        };
        let request = pb::SetTrafficRequest {
            shares: shares.iter().map(share).collect(),
            shadows: shadows.to_vec(),
            ..Default::default()
        };
        self.catalog.set_traffic(&request).map_err(|fault| fault.kind)
    }

    async fn listed(&self, number: u32) -> pb::ModelVersion {
        let versions = self.catalog.list().await.unwrap();
        versions.into_iter().find(|version| version.version == number).unwrap()
    }
}

impl Layer {
    fn publish(&self, from: u32, number: u32) {
        publish(self.dir.path(), from, number);
    }

    /// Damages the graph of a version.
    fn damage(&self, number: u32) {
        let graph = self.dir.path().join(format!("strategic/{number}/model.onnx"));
        let mut bytes = fs::read(&graph).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(graph, bytes).unwrap();
    }

    /// The versions that answer these questions.
    async fn answerers(&self, questions: Vec<pb::SelectRequest>) -> Vec<u32> {
        let now = Instant::now();
        let row =
            |request| Row { request: Some(request), trace: TracePlace::default(), budget_us: 0 };
        let asked = questions.into_iter().map(|q| Asked::from_row(row(q), now));
        let answers = self.service.answer(asked.collect(), 0).await;
        answers.into_iter().map(|answer| answer.unwrap().inference.unwrap().version).collect()
    }

    async fn answerer(&self) -> u32 {
        self.answerers(vec![question(None)]).await[0]
    }

    fn loaded(&self) -> Vec<u32> {
        self.catalog.snapshot().loaded().keys().copied().collect()
    }

    fn counts(&self, line: &str) -> bool {
        let text = self.registry.encode();
        assert!(text.contains("# HELP strata_layer_model_loads"), "{text}");
        text.lines().any(|found| found == line)
    }
}

fn question(function_key: Option<u64>) -> pb::SelectRequest {
    pb::SelectRequest { facts: Some(facts().into()), function_key, ..Default::default() }
}

#[tokio::test]
async fn a_version_is_loaded_beside_the_one_that_answers_and_takes_over() {
    let layer = Layer::start();
    let before = layer.listed(2).await;
    assert_eq!((before.state(), before.loaded_at), (pb::ModelState::Available, None));
    assert_eq!(before.sha256.len(), 64);
    assert_eq!(layer.catalog.load(Some(2)).await.unwrap(), 2);
    let after = layer.listed(2).await;
    assert_eq!((after.state(), after.traffic_percent), (pb::ModelState::Ready, 0));
    assert_eq!((after.execution_provider.as_str(), after.labels.len()), ("cpu", 0));
    assert!(after.loaded_at.is_some() && !after.metrics.is_empty());
    assert_eq!(layer.answerer().await, 1);
    layer.share(&[(2, 100)], &[]).await.unwrap();
    assert_eq!(layer.answerer().await, 2);
    assert_eq!(layer.listed(2).await.labels, ["stable"]);
    assert!(layer.counts("strata_layer_model_traffic_percent{version=\"2\"} 100"));
    assert!(layer.counts("strata_layer_model_rows_total{version=\"1\"} 1"));
    let numbers: Vec<_> =
        layer.catalog.list().await.unwrap().iter().map(|version| version.version).collect();
    assert_eq!(numbers, [2, 1]);
}

#[tokio::test]
async fn what_has_traffic_or_is_a_shadow_is_not_unloaded() {
    let layer = Layer::start();
    layer.catalog.load(None).await.unwrap();
    let refusal = async |number| layer.catalog.unload(number).await.err().map(|fault| fault.kind);
    assert_eq!(refusal(1).await, Some(FaultKind::FailedPrecondition));
    assert_eq!(refusal(7).await, Some(FaultKind::NotFound));
    layer.share(&[(1, 100)], &[2]).await.unwrap();
    assert_eq!(refusal(2).await, Some(FaultKind::FailedPrecondition));
    layer.share(&[(1, 100)], &[]).await.unwrap();
    assert_eq!(refusal(2).await, None);
    assert_eq!(layer.listed(2).await.state(), pb::ModelState::Available);
    assert_eq!(layer.loaded(), [1]);
}

#[tokio::test]
async fn a_version_that_cannot_be_served_is_refused_and_said_so() {
    let layer = Layer::start();
    layer.damage(2);
    let fault = layer.catalog.load(Some(2)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::FailedPrecondition);
    assert!(fault.message.contains("sha256"), "{}", fault.message);
    let listed = layer.listed(2).await;
    assert_eq!((listed.state(), listed.error), (pb::ModelState::Failed, fault.message));
    assert!(layer.counts("strata_layer_model_loads_total{outcome=\"refused\"} 1"));
    assert_eq!(layer.share(&[(2, 100)], &[]).await, Err(FaultKind::FailedPrecondition));
    assert_eq!((layer.answerer().await, layer.loaded()), (1, vec![1]));
    assert_eq!(layer.catalog.load(Some(9)).await.unwrap_err().kind, FaultKind::NotFound);
    layer.publish(2, 2);
    layer.catalog.load(Some(2)).await.unwrap();
    assert_eq!(layer.listed(2).await.state(), pb::ModelState::Ready);
}

#[tokio::test]
async fn rows_finish_on_the_version_they_were_given_to() {
    let layer = Layer::start();
    layer.catalog.load(Some(2)).await.unwrap();
    let snapshot = layer.catalog.snapshot();
    let mut rows = RowsByVersion::new(&snapshot);
    let row = rows.push(question(None), None).unwrap();
    layer.share(&[(2, 100)], &[]).await.unwrap();
    let catalog = Arc::clone(&layer.catalog);
    let unloading = tokio::spawn(async move { catalog.unload(1).await });
    while layer.loaded() != [2] {
        tokio::task::yield_now().await;
    }
    assert_eq!(layer.listed(1).await.state(), pb::ModelState::Unloading);
    assert_eq!(layer.answerer().await, 2);
    let source = Source { caller: 0, alone: false };
    let outputs = rows.run(Instant::now(), source).await;
    let (answer, _) = outputs.answer(row, &Span::none()).unwrap();
    assert_eq!(answer.inference.unwrap().version, 1);
    assert!(!unloading.is_finished());
    drop((outputs, snapshot));
    unloading.await.unwrap().unwrap();
    assert_eq!(layer.listed(1).await.state(), pb::ModelState::Available);
}

#[tokio::test]
async fn a_function_stays_with_its_version_and_a_frame_may_hold_both() {
    let layer = Layer::start();
    layer.catalog.load(Some(2)).await.unwrap();
    layer.share(&[(1, 50), (2, 50)], &[]).await.unwrap();
    let keys = || (0..64).map(|key| question(Some(key))).collect::<Vec<_>>();
    let first = layer.answerers(keys()).await;
    assert!(first.contains(&1) && first.contains(&2), "{first:?}");
    assert_eq!(layer.answerers(keys()).await, first);
    let traffic = layer.catalog.snapshot().traffic().clone();
    let expected: Vec<_> = (0..64).map(|key| traffic.version_for(key)).collect();
    assert_eq!(first, expected);
    // Without a key, a hash of the row's numbers selects the version, the same one each time.
    let without = layer.answerers(vec![question(None); 8]).await;
    assert!(without.iter().all(|version| *version == without[0]), "{without:?}");
}

#[tokio::test]
async fn shadows_run_every_row_and_answer_none() {
    let layer = Layer::start();
    layer.publish(1, 3);
    layer.catalog.load(Some(2)).await.unwrap();
    layer.catalog.load(Some(3)).await.unwrap();
    layer.share(&[(1, 100)], &[2, 3]).await.unwrap();
    let answerers = layer.answerers(vec![question(None); 10]).await;
    assert_eq!(answerers, [1; 10]);
    // Shadows run in the background; only this test waits for them.
    let report = async |number| loop {
        let report = layer.listed(number).await.shadow.unwrap();
        if report.rows + report.skipped == 10 {
            break report;
        }
        tokio::task::yield_now().await;
    };
    let (other, same) = (report(2).await, report(3).await);
    assert_eq!((same.agreed, same.rows, same.mean_score_difference), (10, 10, 0.0));
    assert!(other.rows == 10 && other.mean_score_difference > 0.0, "{other:?}");
    assert!(layer.counts("strata_layer_shadow_rows_total{version=\"3\",outcome=\"agreed\"} 10"));
    layer.share(&[(1, 100)], &[]).await.unwrap();
    assert!(!layer.listed(3).await.shadow.unwrap().active);
}

#[tokio::test]
async fn a_rollback_brings_back_what_was_unloaded_and_twice_is_none() {
    let layer = Layer::start();
    let fault = layer.catalog.rollback().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::FailedPrecondition);
    layer.catalog.load(Some(2)).await.unwrap();
    layer.share(&[(1, 90), (2, 10)], &[]).await.unwrap();
    layer.share(&[(2, 100)], &[]).await.unwrap();
    layer.catalog.unload(1).await.unwrap();
    layer.catalog.rollback().await.unwrap();
    let percents = (layer.listed(1).await.traffic_percent, layer.listed(2).await.traffic_percent);
    assert_eq!(percents, (90, 10));
    assert_eq!(layer.listed(2).await.labels, ["canary"]);
    layer.catalog.rollback().await.unwrap();
    assert_eq!(layer.answerer().await, 2);
}

#[tokio::test]
async fn only_so_many_versions_are_loaded() {
    let layer = Layer::start();
    for number in 1..=9 {
        layer.publish(1, number);
    }
    for number in 2..=8 {
        layer.catalog.load(Some(number)).await.unwrap();
    }
    assert_eq!(layer.loaded().len(), MAX_LOADED);
    let fault = layer.catalog.load(Some(9)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::ResourceExhausted);
    // Loading a loaded version succeeds.
    layer.catalog.load(Some(8)).await.unwrap();
}

#[tokio::test]
async fn the_newest_takes_over_unless_somebody_decided_otherwise() {
    let layer = Layer::start();
    let latest = Policy::Latest(1);
    layer.catalog.follow(&latest).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (2, vec![1, 2]));
    // The previous version stays for a rollback, older ones are unloaded.
    layer.publish(1, 3);
    layer.catalog.follow(&latest).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (3, vec![2, 3]));
    layer.catalog.rollback().await.unwrap();
    layer.publish(1, 4);
    layer.catalog.follow(&latest).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (2, vec![2, 3, 4]));
    // With the traffic on the newest version again, the next version takes over.
    layer.share(&[(4, 100)], &[]).await.unwrap();
    layer.publish(1, 5);
    layer.catalog.follow(&latest).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (5, vec![4, 5]));
}

#[tokio::test]
async fn what_is_loaded_at_the_start_takes_nothing_over() {
    let layer = Layer::start();
    layer.catalog.fill(&Policy::All).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (1, vec![1, 2]));
    layer.publish(1, 3);
    layer.catalog.follow(&Policy::All).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (1, vec![1, 2, 3]));
}

#[tokio::test]
async fn traffic_changes_while_another_version_is_loaded() {
    let layer = Layer::start();
    layer.catalog.load(Some(2)).await.unwrap();
    // While the test holds the lock, no load or unload can run.
    let lock = layer.catalog.change_lock.lock().await;
    layer.share(&[(2, 100)], &[]).await.unwrap();
    layer.catalog.rollback().await.unwrap();
    assert_eq!(layer.answerer().await, 1);
    drop(lock);
}

#[tokio::test]
async fn what_was_loaded_or_unloaded_by_hand_stays_so() {
    let layer = Layer::start();
    let policy = "2,3".parse().unwrap();
    layer.publish(1, 3);
    layer.publish(1, 4);
    layer.catalog.follow(&policy).await;
    assert_eq!((layer.answerer().await, layer.loaded()), (3, vec![1, 2, 3]));
    layer.catalog.load(Some(4)).await.unwrap();
    layer.catalog.unload(2).await.unwrap();
    layer.catalog.follow(&policy).await;
    assert_eq!(layer.loaded(), [1, 3, 4]);
}

#[tokio::test]
async fn a_version_that_failed_is_tried_again_when_its_files_change() {
    let layer = Layer::start();
    layer.damage(2);
    for _ in 0..3 {
        layer.catalog.follow(&Policy::Latest(1)).await;
    }
    assert!(layer.counts("strata_layer_model_loads_total{outcome=\"refused\"} 1"));
    assert_eq!(layer.answerer().await, 1);
    layer.publish(2, 2);
    // The file system's clock may be too coarse to show the change, so the test sets the time.
    let graph = layer.dir.path().join("strategic/2/model.onnx");
    let graph = fs::File::options().write(true).open(graph).unwrap();
    graph.set_modified(std::time::UNIX_EPOCH).unwrap();
    layer.catalog.follow(&Policy::Latest(1)).await;
    assert_eq!(layer.answerer().await, 2);
    assert!(layer.counts("strata_layer_model_loads_total{outcome=\"loaded\"} 1"));
}

#[tokio::test]
async fn a_layer_starts_with_the_newest_that_the_policy_wants() {
    let repository = || {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), 1, 1);
        publish(dir.path(), 2, 2);
        dir
    };
    let of = |policy: &str| {
        let policy = policy.parse().unwrap();
        Layer::start_in(repository(), &Start { version: None, policy: &policy }).loaded()
    };
    assert_eq!(of("latest"), [2]);
    assert_eq!(of("1,7"), [1]);
}
