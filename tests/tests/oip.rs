//! The Open Inference Protocol as clients made for other servers speak it: those of Triton and KServe from PyPI, each in a process of its
//! own (`tests/clients`), and a generated one for what they cannot send.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};
use strata_tests::{Spec, metric, requests, root};
use strata_wire::oip::grpc_inference_service_client::GrpcInferenceServiceClient as Client;
use strata_wire::oip::model_infer_request::InferInputTensor;
use strata_wire::oip::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
};
use strata_wire::pb::operational_client::OperationalClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;

/// The bits of the outputs of a model by their names, for each way in which a client asked.
type Answers = BTreeMap<String, BTreeMap<String, Vec<u32>>>;

/// What `requests::forecast` is to version 1 of the model: the window re-expressed for half the memory.
fn window() -> Vec<f32> {
    let seconds_of_the_day = requests::MOMENT.seconds.rem_euclid(86_400);
    let rows = requests::steps().into_iter().zip((0..12).rev()).flat_map(|(step, before)| {
        let seconds = (seconds_of_the_day - 15 * before) as f64;
        let hour_sin = (TAU * seconds / 86_400.0).sin();
        let (memory_util, cpu_util) = (step.memory_util * 2.0, step.cpu_util * 2.0);
        [step.request_rate, memory_util, cpu_util, step.queue_depth, hour_sin]
    });
    rows.map(|value| value as f32).collect()
}

/// Runs a client with a question on its standard input; what it told on its standard output.
fn run(client: &str, question: &Value) -> Answers {
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run `make venv`", python.display());
    let mut asked = tempfile::NamedTempFile::new().unwrap();
    asked.write_all(question.to_string().as_bytes()).unwrap();
    let output = Command::new(python)
        .arg(root().join("tests/clients").join(client))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(File::open(asked.path()).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client}: {complaints}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asks the operational model for the same row twice through a client, in each of its `ways`, and its own service once.
async fn operational_agrees(client: &'static str, ways: &[&str]) {
    // A process for each test: clients look at what is counted. The version whose features `window` has.
    let process = Spec::new("operational").set("MODELS_VERSION", "1").start();
    let mut native = OperationalClient::new(process.channel());
    let answer = native.forecast(requests::forecast()).await.unwrap().into_inner();
    let forecast = answer.forecast.unwrap();
    let told = [forecast.request_rate, forecast.memory_util, forecast.cpu_util];
    assert!(told.iter().all(|value| *value > 0.0) && told[1] < 1.0 && told[2] < 1.0, "{told:?}");
    let bits = told.map(|value| (value as f32).to_bits());
    let values = [window(), window()].concat();
    let question = json!({
        "address": process.grpc().to_string(), "model": "operational",
        "input": "window", "shape": [2, 12, 5], "values": values,
    });
    let answers = tokio::task::spawn_blocking(move || run(client, &question)).await.unwrap();
    assert_eq!(answers.keys().map(String::as_str).collect::<Vec<_>>(), ways);
    for (way, outputs) in &answers {
        let expected = BTreeMap::from([("forecast".to_owned(), [bits, bits].concat())]);
        assert_eq!(outputs, &expected, "{client}, {way}");
    }
}

#[tokio::test]
async fn tritons_client_knows_every_call() {
    operational_agrees("triton_sync.py", &["FP64", "raw"]).await;
}

#[tokio::test]
async fn tritons_asynchronous_client_gets_the_same_bits() {
    operational_agrees("triton_aio.py", &["calls", "stream"]).await;
}

#[tokio::test]
async fn tritons_stream_gets_the_same_bits_in_order() {
    operational_agrees("triton_stream.py", &["stream"]).await;
}

#[tokio::test]
async fn kserves_client_gets_the_same_bits_typed_and_raw() {
    operational_agrees("kserve_client.py", &["raw", "typed"]).await;
}

#[tokio::test]
async fn every_client_gets_the_same_bits_of_a_model_with_two_outputs() {
    let process = Spec::new("tactical").start();
    let mut client = Client::new(process.channel());
    let width = width(&mut client, "tactical").await;
    let values: Vec<f32> = (0..3 * width).map(|i| i as f32 / 7.0).collect();
    let response = client.model_infer(typed("tactical", 3, values.clone())).await.unwrap();
    let mut outputs = BTreeMap::new();
    for output in response.into_inner().outputs {
        let values = output.contents.unwrap().fp32_contents;
        outputs.insert(output.name, values.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    }
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["logits", "value"]);
    let question = json!({
        "address": process.grpc().to_string(), "model": "tactical",
        "input": "state", "shape": [3, width], "values": values,
    });
    for script in ["triton_sync.py", "triton_aio.py", "triton_stream.py", "kserve_client.py"] {
        let question = question.clone();
        let answers = tokio::task::spawn_blocking(move || run(script, &question)).await.unwrap();
        for (way, told) in answers {
            // Twice the same nearest FP32 of an FP64 that was one.
            assert_eq!(told, outputs, "{script}, {way}");
        }
    }
}

/// Values in a row of a model with one input.
async fn width(client: &mut Client<Channel>, name: &str) -> usize {
    let request = ModelMetadataRequest { name: name.to_owned(), ..Default::default() };
    let metadata = client.model_metadata(request).await.unwrap().into_inner();
    metadata.inputs[0].shape[1] as usize
}

/// Rows for the input `state` of a model, as values.
fn typed(model: &str, rows: usize, values: Vec<f32>) -> ModelInferRequest {
    let shape = vec![rows as i64, (values.len() / rows) as i64];
    let contents = InferTensorContents { fp32_contents: values, ..Default::default() };
    ModelInferRequest {
        model_name: model.to_owned(),
        inputs: vec![InferInputTensor {
            name: "state".to_owned(),
            datatype: "FP32".to_owned(),
            shape,
            contents: Some(contents),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test]
async fn a_message_larger_than_the_largest_batch_is_refused_before_it_is_decoded() {
    let process = Spec::new("strategic").start();
    let mut client = Client::new(process.channel());
    // Two bytes each on the wire, hundreds in memory.
    let inputs = vec![InferInputTensor::default(); 1 << 16];
    let request = ModelInferRequest { inputs, ..Default::default() };
    let status = client.model_infer(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let width = width(&mut client, "strategic").await;
    let request = typed("strategic", 64, vec![0.5; 64 * width]);
    assert!(client.model_infer(request).await.is_ok());
}

#[tokio::test]
async fn rows_are_counted_with_those_of_the_layers_own_service() {
    let process = Spec::new("strategic").start();
    let mut client = Client::new(process.channel());
    let width = width(&mut client, "strategic").await;
    client.model_infer(typed("strategic", 3, vec![0.5; 3 * width])).await.unwrap();
    client.model_infer(typed("nothing", 3, vec![0.5; 3 * width])).await.unwrap_err();
    let metrics = process.metrics();
    assert_eq!(metric(&metrics, "strata_layer_rows_answered_total", &[]), 4.0);
    let faults = metric(&metrics, "strata_layer_row_faults_total", &[("code", "NOT_FOUND")]);
    assert_eq!(faults, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_drains_answers_what_it_read_and_ends() {
    let mut process = Spec::new("strategic").start();
    let mut client = Client::new(process.channel());
    let width = width(&mut client, "strategic").await;
    let (sender, receiver) = mpsc::channel(16);
    let mut answers =
        client.model_stream_infer(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let request = |id: u32| ModelInferRequest {
        id: id.to_string(),
        ..typed("strategic", 1, vec![0.5; width])
    };
    for id in 0..10 {
        sender.send(request(id)).await.unwrap();
    }
    for id in 0..10 {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.error_message.as_str(), id_of(answer.infer_response)), ("", id));
    }
    process.signal(Signal::TERM);
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("new stream"), "{status:?}");
    assert!(process.wait().success());
}

fn id_of(response: Option<ModelInferResponse>) -> u32 {
    response.unwrap().id.parse().unwrap()
}
