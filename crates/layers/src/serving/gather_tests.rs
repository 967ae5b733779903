//! Rows of the same process, with the bundled model.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use strata_chassis::{Binary, Drain, Metrics};
use strata_domain::FaultKind;
use strata_runtime::{ExecutionProvider, ModelOptions, OnnxRuntime, Repository};
use strata_wire::{
    TracePlace,
    pb::{self, models_server::Models},
};
use tonic::Request;

use super::{Asked, Gatherer, Parts, Service};
use crate::{
    adapter::{Adapter, RowResult, Tactical, tests::research},
    metrics::LayerMetrics,
    models::{Catalog, Loader, ModelsService, Policy, Start},
};

/// The layer with its bundled versions; the first of them answers.
fn catalog(metrics: &LayerMetrics) -> Arc<Catalog<Tactical>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let execution_provider = ExecutionProvider::Cpu;
    let loader = Loader {
        runtime: OnnxRuntime::load(None).unwrap(),
        repository: Repository::open(directory).unwrap(),
        catalogue: research(),
        options: ModelOptions { execution_provider, ..Default::default() },
        precision: strata_runtime::Precision::Fp32,
        metrics: metrics.clone(),
    };
    let start = Start { version: Some(1), policy: &Policy::Latest(1) };
    Arc::new(Catalog::start(loader, &start).unwrap())
}

fn versioned() -> (Service<Tactical>, Arc<Catalog<Tactical>>) {
    let binary = Binary { name: Tactical::NAME, about: "", env_prefix: "", version: "" };
    let metrics = LayerMetrics::register(&Metrics::new(&binary));
    let catalog = catalog(&metrics);
    let drain = Drain::new(Duration::from_secs(1), Duration::ZERO);
    (Service::new(Parts { catalog: Arc::clone(&catalog), metrics, drain }), catalog)
}

fn service() -> Service<Tactical> {
    versioned().0
}

fn question(memory_mb: f64) -> pb::PlaceRequest {
    let facts = pb::FunctionFacts {
        at: Some(prost_types::Timestamp { seconds: 1_795_514_400, nanos: 0 }),
        invocation_rate_per_minute: 340.0,
        inter_arrival_ms: 176.0,
        duration_ms: 320.0,
        avg_duration_ms: 310.0,
        std_duration_ms: 40.0,
        memory_mb,
        avg_cost_usd: 5.5e-6,
        avg_carbon_g: 2e-4,
        ..pb::FunctionFacts::default()
    };
    pb::PlaceRequest {
        facts: Some(facts.into()),
        platform: "aws-lambda".to_owned(),
        explain: true,
        ..pb::PlaceRequest::default()
    }
}

async fn ask(gatherer: &Gatherer<Tactical>, memory_mb: f64) -> RowResult<Tactical> {
    let deadline = Instant::now() + Duration::from_secs(60);
    gatherer.ask(Asked::here(question(memory_mb), deadline, &TracePlace::default()), 0, false).await
}

#[tokio::test]
async fn those_who_ask_together_share_batches_and_get_their_own_answers() {
    let gatherer = Gatherer::start(service(), 1024, 1);
    let memory = |number: usize| 100.0 + 3.0 * number as f64;
    let together = join_all((0..200).map(|number| ask(&gatherer, memory(number)))).await;
    let mut largest = 0;
    for (number, answer) in together.into_iter().enumerate() {
        let (mut answer, mut alone) =
            (answer.unwrap(), ask(&gatherer, memory(number)).await.unwrap());
        largest = largest.max(answer.inference.take().unwrap().batch_size);
        assert_eq!(alone.inference.take().unwrap().batch_size, 1);
        assert_eq!(answer.placement, alone.placement);
        for (here, there) in answer.logits.iter().zip(&alone.logits) {
            assert!((here - there).abs() < 1e-3, "{here} {there}");
        }
    }
    // All rows were queued before the first batch started.
    assert_eq!(largest, 64);
}

#[tokio::test]
async fn a_flood_of_one_caller_does_not_hold_up_another() {
    let gatherer = Gatherer::start(service(), 1024, 1);
    let answered = AtomicUsize::new(0);
    let asking = (0..500).map(|number| {
        let caller = u64::from(number >= 490);
        let (gatherer, answered) = (&gatherer, &answered);
        async move {
            let deadline = Instant::now() + Duration::from_secs(60);
            let asked = Asked::here(question(200.0), deadline, &TracePlace::default());
            gatherer.ask(asked, caller, false).await.unwrap();
            (caller, answered.fetch_add(1, Ordering::Relaxed))
        }
    });
    // The second caller's rows come last and run in one of the first batches, two of which are in
    // progress.
    let positions = join_all(asking).await;
    let late = positions.into_iter().filter(|(caller, position)| *caller == 1 && *position >= 128);
    assert_eq!(late.collect::<Vec<_>>(), []);
}

#[tokio::test]
async fn a_row_too_many_is_refused_with_advice_and_costs_the_others_nothing() {
    let gatherer = Gatherer::start(service(), 8, 1);
    let answers = join_all((0..200).map(|_| ask(&gatherer, 200.0))).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(answered.len() >= 8 && !refused.is_empty(), "{}", answered.len());
    for fault in refused.into_iter().filter_map(Result::err) {
        assert_eq!(fault.kind, FaultKind::ResourceExhausted);
        assert!(fault.retry_after.is_some());
    }
}

#[tokio::test]
async fn a_bad_row_and_a_late_one_are_answered_by_their_faults() {
    let gatherer = Gatherer::start(service(), 8, 1);
    let fault = ask(&gatherer, f64::NAN).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidArgument);
    let late = Asked::here(question(200.0), Instant::now(), &TracePlace::default());
    assert_eq!(gatherer.ask(late, 0, true).await.unwrap_err().kind, FaultKind::DeadlineExceeded);
}

#[tokio::test]
async fn a_function_sees_the_version_that_a_stream_would_show_it() {
    let (service, catalog) = versioned();
    let models = ModelsService(catalog);
    let second = pb::LoadModelRequest { version: 2, ..Default::default() };
    models.load(Request::new(second)).await.unwrap();
    let half = |version| pb::TrafficShare { version, percent: 50, label: String::new() };
    let request = pb::SetTrafficRequest { shares: vec![half(1), half(2)], ..Default::default() };
    models.set_traffic(Request::new(request)).await.unwrap();
    let gatherer = Gatherer::start(service.clone(), 1024, 1);
    let asked = |key: u64| {
        let request = pb::PlaceRequest { function_key: Some(key), ..question(200.0) };
        let deadline = Instant::now() + Duration::from_secs(60);
        Asked::here(request, deadline, &TracePlace::default())
    };
    let version = |answer: RowResult<Tactical>| answer.unwrap().inference.unwrap().version;
    let framed = service.answer((0..64).map(asked).collect(), 0).await;
    let framed: Vec<u32> = framed.into_iter().map(version).collect();
    let together = join_all((0..64).map(|key| gatherer.ask(asked(key), 0, false))).await;
    assert_eq!(together.into_iter().map(version).collect::<Vec<_>>(), framed);
    for key in 0..64 {
        assert_eq!(version(gatherer.ask(asked(key), 0, false).await), framed[key as usize]);
    }
    let second = framed.iter().filter(|version| **version == 2).count();
    assert!((16..48).contains(&second), "{second}");
}

#[tokio::test]
async fn a_row_that_names_a_version_is_answered_by_it_whatever_the_traffic() {
    let (service, catalog) = versioned();
    let gatherer = Gatherer::start(service, 1024, 1);
    let pinned = async |model_version| {
        let request = pb::PlaceRequest { model_version, ..question(200.0) };
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer =
            gatherer.ask(Asked::here(request, deadline, &TracePlace::default()), 0, false).await;
        answer.map(|answer| answer.inference.unwrap().version)
    };
    let fault = pinned(2).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::FailedPrecondition);
    assert!(fault.message.contains("version 2") && fault.message.contains("only 1"), "{fault}");
    catalog.load(Some(2)).await.unwrap();
    assert_eq!((pinned(0).await, pinned(1).await, pinned(2).await), (Ok(1), Ok(1), Ok(2)));
    // A shadow version is not compared with itself.
    let share = pb::TrafficShare { version: 1, percent: 100, label: String::new() };
    let traffic =
        pb::SetTrafficRequest { shares: vec![share], shadows: vec![2], ..Default::default() };
    catalog.set_traffic(&traffic).unwrap();
    assert_eq!((pinned(2).await, pinned(1).await), (Ok(2), Ok(1)));
    let compared = async || {
        let outcomes = catalog.snapshot().loaded()[&2].shadow.read().unwrap_or_default();
        outcomes.agreed + outcomes.differed + outcomes.skipped
    };
    while compared().await == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(compared().await, 1);
}
