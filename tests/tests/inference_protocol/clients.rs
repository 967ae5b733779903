//! Clients that were made for other servers: those of Triton and KServe from PyPI. Each runs in a
//! process of its own (`tests/clients`).

use std::{
    collections::BTreeMap,
    f64::consts::TAU,
    fs::File,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use strata_tests::{Spec, requests, root};
use strata_wire::{
    oip::grpc_inference_service_client::GrpcInferenceServiceClient as Client,
    pb::operational_client::OperationalClient,
};

use crate::requests::{row_width, typed};

/// The bits of a model's outputs by name, for each way in which a client asked.
type Answers = BTreeMap<String, BTreeMap<String, Vec<u32>>>;

/// The input that version 1 of the model gets for `requests::forecast`: the same window,
/// re-expressed for half the memory.
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

/// Runs a client with a question on its standard input. Returns the answers from its standard
/// output.
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

/// Asks the operational model for the same row twice through a client, in each of the client's
/// `ways`, and once through the layer's own service. All answers must have the same bits.
async fn operational_agrees(client: &'static str, ways: &[&str]) {
    // Each test has a process of its own, because clients check its counters. `window` has the
    // features of version 1.
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
    let width = row_width(&mut client, "tactical").await;
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
            // The values that were sent as FP64 were FP32 before, so they lose nothing.
            assert_eq!(told, outputs, "{script}, {way}");
        }
    }
}
