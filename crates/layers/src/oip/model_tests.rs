//! The bundled models, asked through both services of a layer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{path::Path, sync::Arc, time::Duration};

use strata_chassis::{Binary, Drain, Metrics};
use strata_runtime::{ExecutionProvider, ModelOptions, OnnxRuntime, Repository};
use strata_wire::{
    oip::{
        ModelInferRequest, ModelMetadataRequest, ModelReadyRequest, ModelStatisticsRequest,
        RepositoryIndexRequest, ServerLiveRequest, ServerReadyRequest,
        grpc_inference_service_server::GrpcInferenceService, model_infer_request::InferInputTensor,
    },
    pb,
};
use tonic::Request;
use tracing::Span;

use super::{Control, Oip, Parts, infer::Call, statistics, tensor};
use crate::{
    adapter::{
        Adapter, LayerRequest, LayerResponse, Operational, RowInputs, Strategic, Tactical,
        tests::{facts, research},
    },
    metrics::LayerMetrics,
    models::{Catalog, FileAccess, Loader, Policy, Runners, Start},
    serving::{self, Service},
};

/// A layer with the services that its process serves.
pub(super) struct Layer<A> {
    service: Service<A>,
    pub(super) oip: Oip,
    catalog: Arc<Catalog<A>>,
}

impl<A: Adapter> Layer<A> {
    fn start() -> Self {
        Self::start_in("../../models")
    }

    /// Starts with the models in a directory of the workspace.
    pub(super) fn start_in(directory: &str) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let repository = Repository::open(directory).unwrap();
        let runtime = OnnxRuntime::load(None).expect("ONNX Runtime; `make ort` fetches it");
        let options =
            ModelOptions { execution_provider: ExecutionProvider::Cpu, ..Default::default() };
        let binary = Binary { name: A::NAME, about: "", env_prefix: "", version: "" };
        let metrics = LayerMetrics::register(&Metrics::new(&binary));
        let (repository_of_loader, metrics_of_loader) = (repository.clone(), metrics.clone());
        let loader = Loader {
            runtime,
            repository: repository_of_loader,
            catalogue: research(),
            options,
            precision: strata_runtime::Precision::Fp32,
            metrics: metrics_of_loader,
        };
        // Versions up to 2 are for the catalogue of the research framework.
        let versions = repository.versions(A::NAME).unwrap();
        let newest = versions.into_iter().filter(|version| *version <= 2).max();
        let policy = Policy::Listed(newest.into_iter().collect());
        let start = Start { version: newest, policy: &policy };
        let catalog = Arc::new(Catalog::<A>::start(loader, &start).unwrap());
        let drain = Drain::new(Duration::from_secs(1), Duration::ZERO);
        let parts = serving::Parts {
            catalog: Arc::clone(&catalog),
            metrics: metrics.clone(),
            drain: drain.clone(),
        };
        let runners = Arc::clone(&catalog) as Arc<dyn Runners>;
        let control = Arc::clone(&catalog) as Arc<dyn Control>;
        let layer = A::NAME;
        let files = FileAccess::default();
        let oip = Parts { layer, runners, control, metrics, repository, files, drain };
        Self { service: Service::new(parts), oip: Oip::new(oip), catalog }
    }

    async fn ask(&self, question: LayerRequest<A>) -> LayerResponse<A> {
        self.service.unary(Request::new(question)).await.unwrap().into_inner()
    }

    /// The outputs for the row that the layer encodes from a request, by name, as bytes.
    async fn infer(&self, question: LayerRequest<A>) -> Vec<(String, Vec<u8>)> {
        let runner = self.oip.0.runners.stable();
        let manifest = runner.model().manifest();
        let mut rows = RowInputs::of(manifest);
        A::for_model(manifest, &research()).unwrap().encode(question, &mut rows).unwrap();
        let input = &manifest.inputs[0];
        let dims = input.shape.row().iter().map(|dim| *dim as i64);
        let request = ModelInferRequest {
            model_name: A::NAME.to_owned(),
            inputs: vec![InferInputTensor {
                name: input.name.clone(),
                datatype: "FP32".to_owned(),
                shape: std::iter::once(1).chain(dims).collect(),
                ..Default::default()
            }],
            raw_input_contents: vec![tensor::to_raw(&rows.buffers[0]).into()],
            ..Default::default()
        };
        let call = Call { caller: 0, deadline: None, span: &Span::none() };
        let response = self.oip.infer(request, call).await.unwrap();
        let names = response.outputs.into_iter().map(|output| output.name);
        names.zip(response.raw_output_contents.iter().map(|bytes| bytes.to_vec())).collect()
    }
}

fn output(name: &str, values: &[f32]) -> (String, Vec<u8>) {
    (name.to_owned(), tensor::to_raw(values))
}

#[tokio::test]
async fn the_strategic_model_gives_both_the_same_bits() {
    let layer = Layer::<Strategic>::start();
    let question =
        pb::SelectRequest { facts: Some(facts().into()), explain: true, ..Default::default() };
    let answer = layer.ask(question.clone()).await;
    assert_eq!(layer.infer(question).await, [output("q_values", &answer.q_values)]);
}

#[tokio::test]
async fn the_tactical_model_gives_both_the_same_bits() {
    let layer = Layer::<Tactical>::start();
    let question = pb::PlaceRequest {
        facts: Some(facts().into()),
        platform: "azure-functions-consumption".to_owned(),
        explain: true,
        ..Default::default()
    };
    let answer = layer.ask(question.clone()).await;
    let mut outputs = layer.infer(question).await;
    outputs.sort();
    assert_eq!(outputs, [output("logits", &answer.logits), output("value", &[answer.value])]);
}

#[tokio::test]
async fn the_operational_model_gives_both_the_same_bits() {
    let layer = Layer::<Operational>::start();
    let step = |i: u32| pb::TelemetryStep {
        request_rate: 3.0 + f64::from(i),
        memory_util: 0.5,
        cpu_util: 0.3,
        queue_depth: 0.0,
    };
    let question = pb::ForecastRequest {
        at: facts().at,
        steps: (0..12).map(step).collect(),
        observed_memory_mb: 0,
        memory_mb: 512,
        keep_alive_minutes: 16.0,
        ..Default::default()
    };
    let forecast = layer.ask(question.clone()).await.forecast.unwrap();
    let told = [forecast.request_rate, forecast.memory_util, forecast.cpu_util];
    // The values lie within the bounds to which the layer's own service would clip them.
    assert!(told.iter().all(|value| *value > 0.0) && told[1] < 1.0 && told[2] < 1.0);
    let upper = [
        forecast.request_rate_upper.unwrap(),
        forecast.memory_util_upper.unwrap(),
        forecast.cpu_util_upper.unwrap(),
    ];
    assert!(upper[1] < 1.0 && upper[2] < 1.0, "{upper:?}");
    let bits = |values: [f64; 3]| values.map(|value| value as f32);
    let expected = [output("forecast", &bits(told)), output("upper", &bits(upper))];
    assert_eq!(layer.infer(question).await, expected);
}

#[tokio::test]
async fn statistics_count_what_either_service_ran() {
    let layer = Layer::<Strategic>::start();
    let question =
        pb::SelectRequest { facts: Some(facts().into()), explain: true, ..Default::default() };
    let before = statistics::of(&layer.oip.0.runners.stable());
    assert_eq!((before.inference_count, before.last_inference), (0, 0));
    layer.ask(question.clone()).await;
    layer.infer(question).await;
    let after = statistics::of(&layer.oip.0.runners.stable());
    assert_eq!((after.inference_count, after.execution_count), (2, 2));
    let stats = after.inference_stats.unwrap();
    let success = stats.success.unwrap();
    assert!(success.count == 2 && success.ns >= stats.compute_infer.unwrap().ns);
    assert_eq!((after.batch_stats.len(), after.batch_stats[0].batch_size), (1, 1));
    assert!(after.last_inference > 1_700_000_000_000);
}

#[tokio::test]
async fn only_the_version_in_service_is_found() {
    let layer = Layer::<Strategic>::start();
    let code = |name: &str, version: &str| {
        layer.oip.served(name, version).err().map(|fault| fault.kind.name())
    };
    assert_eq!(code("strategic", ""), None);
    assert_eq!(code("strategic", "2"), None);
    assert_eq!(code("strategic", "1"), Some("NOT_FOUND"));
    assert_eq!(code("tactical", ""), Some("NOT_FOUND"));
    for wrong in ["0", "-1", "two", "99999999999999999999"] {
        assert_eq!(code("strategic", wrong), Some("INVALID_ARGUMENT"), "{wrong}");
    }
}

#[tokio::test]
async fn a_version_that_is_loaded_is_found_and_those_without_one_get_the_stable() {
    let layer = Layer::<Strategic>::start();
    layer.catalog.load(Some(1)).await.unwrap();
    let version =
        |version: &str| layer.oip.served("strategic", version).unwrap().model().manifest().version;
    assert_eq!((version("1"), version("2"), version("")), (1, 2, 2));
    let name = "strategic".to_owned();
    let metadata = ModelMetadataRequest { name: name.clone(), version: "1".to_owned() };
    let metadata = layer.oip.model_metadata(Request::new(metadata)).await.unwrap().into_inner();
    assert_eq!((metadata.versions, &metadata.inputs[0].shape), (vec_of(["1", "2"]), &vec![-1, 14]));
    let statistics = ModelStatisticsRequest { name, version: String::new() };
    let statistics = layer.oip.model_statistics(Request::new(statistics)).await.unwrap();
    let versions = statistics.into_inner().model_stats.into_iter().map(|stats| stats.version);
    assert_eq!(versions.collect::<Vec<_>>(), ["1", "2"]);
    let index = layer.oip.index(&RepositoryIndexRequest::default()).unwrap().models;
    assert_eq!(index.iter().filter(|model| model.state == "READY").count(), 2);
}

fn vec_of<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_layer_that_drains_is_live_and_not_ready() {
    let Layer { oip, .. } = Layer::<Strategic>::start();
    let ready = async || {
        let server = oip.server_ready(Request::new(ServerReadyRequest {})).await.unwrap();
        let model = ModelReadyRequest { name: "strategic".to_owned(), version: String::new() };
        let model = oip.model_ready(Request::new(model)).await.unwrap();
        (server.into_inner().ready, model.into_inner().ready)
    };
    assert_eq!(ready().await, (true, true));
    oip.0.drain.start();
    assert_eq!(ready().await, (false, false));
    let live = oip.server_live(Request::new(ServerLiveRequest {})).await.unwrap();
    assert!(live.into_inner().live);
}

#[tokio::test]
async fn an_index_has_one_repository_and_can_be_of_what_is_ready() {
    let Layer { oip, .. } = Layer::<Tactical>::start();
    let all = oip.index(&RepositoryIndexRequest::default()).unwrap().models;
    assert!(all.len() > 1 && all.iter().filter(|model| model.state == "READY").count() == 1);
    let ready = RepositoryIndexRequest { ready: true, ..Default::default() };
    let ready = oip.index(&ready).unwrap().models;
    assert_eq!((ready.len(), ready[0].name.as_str()), (1, "tactical"));
    let named = RepositoryIndexRequest { repository_name: "other".to_owned(), ready: false };
    assert_eq!(oip.index(&named).unwrap_err().kind.name(), "UNIMPLEMENTED");
}
