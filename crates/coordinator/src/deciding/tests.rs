//! Speculation changes when layers are asked and nothing else: the decision equals that of the
//! sequential chain, bit for bit.
#![allow(clippy::unwrap_used)]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use proptest::prelude::*;
use strata_chassis::{Activity, Binary, Deadline, InFlight, Metrics, trace::RemoteContext};
use strata_domain::FaultKind;
use strata_wire::{Answers, Ask, Fault, Forecasting, Hop, Placing, Selecting, pb};

use super::{Call, Pipeline, Speculation};
use crate::{
    catalogue::CatalogueRegister,
    link::LocalLayers,
    metrics::CoordinatorMetrics,
    releases::{Register, Release},
};

/// A pseudo-random number that depends only on the request.
fn whim<Q: prost::Message>(request: &Q) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.encode_to_vec().hash(&mut hasher);
    hasher.finish()
}

fn answer_later<R: Send + 'static>(
    whim: u64,
    answer: impl FnOnce() -> R + Send + 'static,
) -> BoxFuture<'static, Result<R, Fault>> {
    Box::pin(async move {
        for _ in 0..whim % 4 {
            tokio::task::yield_now().await;
        }
        match whim % 41 {
            0 => Err(Fault::new(FaultKind::ResourceExhausted, format!("no room, {whim}"))),
            _ => Ok(answer()),
        }
    })
}

fn inference(model_version: u32) -> Option<pb::Inference> {
    Some(pb::Inference { version: model_version, ..Default::default() })
}

/// The position of the greatest expected objective among those allowed, or pseudo-randomly another
/// one.
fn choose(table: Option<pb::CandidateTable>, count: usize, whim: u64) -> usize {
    let pb::CandidateTable { allowed, values } = table.unwrap();
    let expected: Vec<f32> = values.iter().step_by(values.len() / count).copied().collect();
    let is_allowed = |index: &usize| allowed.is_empty() || allowed[*index];
    let allowed: Vec<usize> = (0..expected.len()).filter(is_allowed).collect();
    if whim.is_multiple_of(3) {
        return allowed[(whim / 3) as usize % allowed.len()];
    }
    let better = |best: usize, next: usize| {
        if expected[next] > expected[best] { next } else { best }
    };
    allowed.into_iter().reduce(better).unwrap()
}

/// Layers whose answers depend only on the request: often the coordinator's guess, sometimes
/// another allowed answer, seldom a fault. They answer at different moments.
struct Layers;

impl Answers<Selecting> for Layers {
    fn ask(
        &self,
        ask: Ask<pb::SelectRequest>,
    ) -> BoxFuture<'static, Result<pb::SelectResponse, Fault>> {
        let request = ask.request;
        let whim = whim(&request);
        answer_later(whim, move || {
            let candidates = request.candidates.unwrap();
            let chosen = choose(candidates.table, candidates.platforms.len(), whim);
            pb::SelectResponse {
                platform: candidates.platforms[chosen].clone(),
                labels: Vec::new(),
                q_values: if request.explain { vec![whim as f32] } else { Vec::new() },
                inference: inference(request.model_version),
            }
        })
    }

    fn load(&self, _: u32) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

impl Answers<Placing> for Layers {
    fn ask(
        &self,
        ask: Ask<pb::PlaceRequest>,
    ) -> BoxFuture<'static, Result<pb::PlaceResponse, Fault>> {
        let request = ask.request;
        let whim = whim(&request);
        answer_later(whim, move || {
            let candidates = request.candidates.unwrap();
            let chosen = choose(candidates.table, candidates.region.len(), whim);
            let placement = pb::Placement {
                platform: request.platform,
                region: candidates.regions[candidates.region[chosen] as usize].clone(),
                memory_mb: candidates.memory_mb[chosen],
                provider: String::new(),
            };
            pb::PlaceResponse {
                placement: Some(placement),
                labels: Vec::new(),
                logits: if request.explain { vec![whim as f32] } else { Vec::new() },
                value: 0.0,
                inference: inference(request.model_version),
            }
        })
    }

    fn load(&self, _: u32) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

impl Answers<Forecasting> for Layers {
    fn ask(
        &self,
        ask: Ask<pb::ForecastRequest>,
    ) -> BoxFuture<'static, Result<pb::ForecastResponse, Fault>> {
        let request = ask.request;
        let whim = whim(&request);
        answer_later(whim, move || pb::ForecastResponse {
            forecast: Some(pb::Forecast { request_rate: whim as f64, ..Default::default() }),
            inference: inference(request.model_version),
        })
    }

    fn load(&self, _: u32) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

/// A pipeline of these layers, and its metrics.
fn pipeline(
    speculation: Speculation,
    release: Option<Release>,
    catalogue: &str,
) -> (Pipeline, Metrics) {
    let binary = Binary { name: "test", about: "", env_prefix: "", version: "" };
    let page = Metrics::new(&binary);
    let layers = LocalLayers {
        strategic: Arc::new(Layers),
        tactical: Arc::new(Layers),
        operational: Arc::new(Layers),
    };
    let pipeline = Pipeline {
        layers: layers.into(),
        releases: Arc::new(Register::starting_with(release)),
        catalogue: Arc::new(CatalogueRegister::open(catalogue).unwrap()),
        deciding: Arc::<InFlight>::default(),
        one_worker: true,
        speculation,
        activity: Activity::default(),
        metrics: CoordinatorMetrics::register(&page),
    };
    (pipeline, page)
}

fn decide(pipeline: &Pipeline, request: pb::DecideRequest) -> Result<pb::DecideResponse, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let parent = RemoteContext::default();
        let deadline = Deadline::after(Duration::from_secs(60));
        let call =
            Call { arrived: Instant::now(), deadline, parent: &parent, caller: 7, unary: true };
        pipeline.decide(request, call).await
    })
}

/// A decision without the fields that differ between two runs.
fn timeless(decision: pb::DecideResponse) -> pb::DecideResponse {
    let layers = decision.layers.into_iter();
    pb::DecideResponse {
        decision_id: String::new(),
        elapsed_us: 0,
        layers: layers.map(|layer| pb::LayerReport { elapsed_us: 0, ..layer }).collect(),
        ..decision
    }
}

/// Requests with constraints of all kinds; some allow no placement.
fn any_request() -> impl Strategy<Value = pb::DecideRequest> {
    let providers = ["aws", "azure", "gcp"].map(str::to_owned).to_vec();
    let providers = prop::collection::vec(prop::sample::select(providers), 0..3);
    let regions = ["us-east-1", "westus2", "northeurope", "europe-west1", "ap-southeast-1"];
    let regions = prop::collection::vec(prop::sample::select(regions.to_vec()), 0..4);
    let memory = (0..2500u32, prop::option::of(500..4000u32), 1.0..3000.0f64);
    let places = [("aws-lambda", "us-east-1"), ("aws-lambda", "eu-west-1")];
    let function = ("[a-z]{1,8}", prop::sample::select(places.to_vec()), 1..4000u32);
    let function = (function, any::<bool>(), any::<bool>());
    let load = (1.0..5000.0f64, 0.001..500.0f64, 0.0..=1.0f64);
    (providers, regions, memory, function, load).prop_map(
        |(allowed_providers, allowed_regions, memory, function, (duration, rate, share))| {
            let (min_memory_mb, max_memory_mb, used) = memory;
            let ((name, (platform, region), memory_mb), runs, explain) = function;
            let current = runs.then(|| pb::Placement {
                platform: platform.to_owned(),
                region: region.to_owned(),
                memory_mb,
                provider: String::new(),
            });
            let step = pb::TelemetryStep { request_rate: rate / 60.0, ..Default::default() };
            pb::DecideRequest {
                function: Some(pb::Function { application: "shop".to_owned(), function: name }),
                at: Some(prost_types::Timestamp { seconds: 1_563_197_400, nanos: 0 }),
                current,
                workload: Some(pb::Workload {
                    duration_ms: Some(duration),
                    memory_mb: Some(used),
                    cpu_share: Some(share),
                    ..Default::default()
                }),
                telemetry: vec![step; 12],
                constraints: Some(pb::Constraints {
                    allowed_providers,
                    allowed_regions: allowed_regions.into_iter().map(str::to_owned).collect(),
                    min_memory_mb: min_memory_mb.min(max_memory_mb.unwrap_or(2500)),
                    max_memory_mb: max_memory_mb.unwrap_or(0),
                    ..Default::default()
                }),
                options: Some(pb::Options { explain, ..Default::default() }),
                ..Default::default()
            }
        },
    )
}

fn any_release() -> impl Strategy<Value = Option<Release>> {
    prop::option::of([1..9u32, 1..9u32, 1..9u32]).prop_map(|versions| {
        versions.map(|[strategic, tactical, operational]| {
            let name = "r".to_owned();
            Release::read(Some(pb::Release { name, strategic, tactical, operational })).unwrap()
        })
    })
}

proptest! {
    #[test]
    fn asking_ahead_decides_as_the_chain_does(
        request in any_request(),
        release in any_release(),
        catalogue in prop::sample::select(strata_catalogue::BUILT_IN.to_vec()),
    ) {
        let (chain, _) = pipeline(Speculation::Off, release.clone(), catalogue);
        let expected = decide(&chain, request.clone()).map(timeless);
        for speculation in [Speculation::On, Speculation::Auto] {
            let (ahead, _) = pipeline(speculation, release.clone(), catalogue);
            let decided = decide(&ahead, request.clone()).map(timeless);
            prop_assert_eq!(&decided, &expected, "{:?}", speculation);
        }
    }
}

/// A request that these layers mostly answer.
fn request(number: u32) -> pb::DecideRequest {
    let step = pb::TelemetryStep { request_rate: f64::from(number), ..Default::default() };
    pb::DecideRequest {
        function: Some(pb::Function { application: "shop".into(), function: "pay".into() }),
        at: Some(prost_types::Timestamp { seconds: 1_563_197_400, nanos: 0 }),
        workload: Some(pb::Workload { duration_ms: Some(120.0), ..Default::default() }),
        telemetry: vec![step; 12],
        ..Default::default()
    }
}

#[test]
fn every_guess_is_counted_as_used_or_wasted() {
    let (ahead, page) = pipeline(Speculation::On, None, "research");
    let decided = (0..200).filter(|number| decide(&ahead, request(*number)).is_ok()).count();
    let count = |layer: &str, outcome: &str| {
        let line = format!(
            "strata_coordinator_speculation_total{{layer=\"{layer}\",outcome=\"{outcome}\"}} "
        );
        let text = page.encode();
        let value = text.lines().find_map(|found| found.strip_prefix(&line)).unwrap();
        value.parse::<usize>().unwrap()
    };
    for layer in [Placing::LAYER, Forecasting::LAYER] {
        let (used, wasted) = (count(layer, "used"), count(layer, "wasted"));
        assert!(used > 0 && wasted > 0, "{layer}: {used} used, {wasted} wasted");
        assert!(used + wasted >= decided, "{layer}: {used} used, {wasted} wasted");
    }
    let (chain, page) = pipeline(Speculation::Off, None, "research");
    decide(&chain, request(1)).unwrap();
    assert!(page.encode().contains("outcome=\"used\"} 0"), "{}", page.encode());
}
