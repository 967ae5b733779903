//! Settings that change how a layer runs its model, as callers and the operating system see them.

use std::{fs, time::Duration};

use strata_tests::{Callers, Process, Spec, eventually_async, patient, requests, root, timed};
use strata_wire::{
    oip::{
        ModelInferRequest, ModelMetadataRequest,
        grpc_inference_service_client::GrpcInferenceServiceClient,
        model_infer_request::InferInputTensor,
    },
    pb,
    pb::{
        models_client::ModelsClient, operational_client::OperationalClient,
        strategic_client::StrategicClient,
    },
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

/// A question to the operational layer about one of many windows.
fn window(number: u32) -> pb::ForecastRequest {
    let mut request = requests::forecast();
    for (step, place) in request.steps.iter_mut().zip(0..) {
        step.request_rate += f64::from((number * 7 + place) % 5);
        step.cpu_util *= 1.0 + f64::from(number % 3) / 10.0;
    }
    request
}

async fn ask(
    channel: Channel,
    request: pb::ForecastRequest,
) -> Result<pb::ForecastResponse, Status> {
    let mut client = OperationalClient::new(channel);
    client.forecast(patient(request)).await.map(tonic::Response::into_inner)
}

fn inference(answer: &pb::ForecastResponse) -> &pb::Inference {
    answer.inference.as_ref().unwrap()
}

/// All numbers of a forecast.
fn numbers(answer: pb::ForecastResponse) -> Vec<f64> {
    let forecast = answer.forecast.unwrap();
    let upper = [forecast.request_rate_upper, forecast.memory_util_upper, forecast.cpu_util_upper];
    let middle = [forecast.request_rate, forecast.memory_util, forecast.cpu_util];
    middle.into_iter().chain(upper.map(Option::unwrap)).collect()
}

/// The newest version of a layer's model, as the layer lists it.
async fn newest(process: &Process) -> pb::ModelVersion {
    let mut models = ModelsClient::new(process.channel());
    let listed = models.list(pb::ListModelsRequest::default()).await.unwrap().into_inner();
    listed.versions.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_variant_in_int8_answers_within_the_tolerance_of_its_manifest() {
    let manifest = root().join("models/operational/2/manifest.yaml");
    let manifest: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(manifest).unwrap()).unwrap();
    let tolerance = manifest["int8"]["tolerance"].as_f64().unwrap();
    let exact = Spec::new("operational").set("MODELS_VERSION", "2").start();
    let quick =
        Spec::new("operational").set("MODELS_VERSION", "2").set("MODELS_PRECISION", "int8").start();
    assert_eq!(newest(&exact).await.precision, "fp32");
    assert_eq!(newest(&quick).await.precision, "int8");
    assert_eq!(quick.logged(r#""precision":"int8""#), 1, "{}", quick.log());
    let mut differed = 0;
    for number in 0..20 {
        let [exact, quick] = [&exact, &quick].map(|process| ask(process.channel(), window(number)));
        let [exact, quick] = [exact.await.unwrap(), quick.await.unwrap()].map(numbers);
        for (exact, quick) in exact.iter().zip(&quick) {
            assert!((exact - quick).abs() <= tolerance * exact.abs(), "{exact} and {quick}");
            differed += usize::from(exact != quick);
        }
    }
    // The variant is another graph, so some numbers differ.
    assert!(differed > 0);
}

#[tokio::test]
async fn a_layer_without_a_variant_serves_fp32_and_says_so_once() {
    let process = Spec::new("strategic").set("MODELS_PRECISION", "int8").start();
    let mut client = StrategicClient::new(process.channel());
    for _ in 0..5 {
        client.select(patient(requests::select())).await.unwrap();
    }
    assert_eq!(newest(&process).await.precision, "fp32");
    let log = process.log();
    assert_eq!(process.logged("the version has no such variant"), 1, "{log}");
    assert_eq!(process.logged(r#""precision":"fp32""#), 1, "{log}");
}

#[tokio::test]
async fn sessions_that_share_their_weights_answer_as_one_does() {
    let one = Spec::new("operational").start();
    let several = Spec::new("operational").set("INFERENCE_SESSIONS", "3").start();
    for number in 0..20 {
        let alone = numbers(ask(one.channel(), window(number)).await.unwrap());
        assert_eq!(numbers(ask(several.channel(), window(number)).await.unwrap()), alone);
        // Three at once give more than one session work. Rows that share a run may differ in the
        // last bits.
        let [first, second, third] = [0; 3].map(|_| ask(several.channel(), window(number)));
        let (first, second, third) = tokio::try_join!(first, second, third).unwrap();
        let together = [first, second, third].into_iter().flat_map(numbers);
        for (together, alone) in together.zip(alone.iter().cycle()) {
            assert!((together - alone).abs() <= 1e-6 * alone.abs(), "{together} and {alone}");
        }
    }
}

/// A run starts when it has two rows or after ten seconds, so a row waits for another caller's.
#[tokio::test]
async fn rows_of_two_callers_wait_for_each_other() {
    let process = Spec::new("operational")
        .set("INFERENCE_MAX_BATCH", "2")
        .set("INFERENCE_MAX_DELAY", "10s")
        .start();
    for _ in 0..3 {
        let one = tokio::spawn(ask(process.channel(), window(1)));
        // The row waits although the session is idle.
        eventually_async("a row that waits", async || {
            (process.metric("strata_layer_queue_rows", &[]) == 1.0).then_some(())
        })
        .await;
        let other = ask(process.channel(), window(2)).await.unwrap();
        let one = one.await.unwrap().unwrap();
        assert_eq!((inference(&one).batch_size, inference(&other).batch_size), (2, 2));
    }
}

#[tokio::test]
async fn a_row_alone_waits_as_long_as_it_may() {
    let delay = Duration::from_millis(200);
    let process = Spec::new("strategic").set("INFERENCE_MAX_DELAY", "200ms").start();
    let mut client = StrategicClient::new(process.channel());
    for _ in 0..3 {
        let question = patient(requests::select());
        let answer = client.select(question).await.unwrap().into_inner();
        let inference = answer.inference.unwrap();
        let waited = Duration::from_micros(inference.queue_us.into());
        assert!(inference.batch_size == 1 && waited >= delay, "{inference:?}");
    }
}

/// 24 callers on one connection that keep 1024 rows each waiting.
async fn flood(channel: &Channel) -> Callers<1> {
    let mut client =
        GrpcInferenceServiceClient::new(channel.clone()).max_encoding_message_size(16 << 20);
    let request = many_rows(&mut client, 1024).await;
    let mut callers = Callers::new();
    for _ in 0..24 {
        let (client, request) = (client.clone(), request.clone());
        callers.repeat(move |_| {
            let (mut client, request) = (client.clone(), patient(request.clone()));
            async move {
                client.model_infer(request).await.expect("a row with enough time is answered");
                0
            }
        });
    }
    callers
}

/// The same row of the operational model `rows` times, as a request of the Open Inference Protocol.
async fn many_rows(
    client: &mut GrpcInferenceServiceClient<Channel>,
    rows: usize,
) -> ModelInferRequest {
    let name = "operational".to_owned();
    let asked = ModelMetadataRequest { name: name.clone(), ..Default::default() };
    let input = client.model_metadata(asked).await.unwrap().into_inner().inputs.remove(0);
    let shape = [rows as i64, input.shape[1], input.shape[2]];
    let values = shape.iter().product::<i64>() as usize;
    ModelInferRequest {
        model_name: name,
        inputs: vec![InferInputTensor {
            name: input.name,
            datatype: input.datatype,
            shape: shape.into(),
            ..Default::default()
        }],
        raw_input_contents: vec![0.5_f32.to_le_bytes().repeat(values).into()],
        ..Default::default()
    }
}

/// Some 24,000 rows of the same connection wait, which take a third of a second. A row with less
/// time than that is refused when it arrives. On a busy machine it may arrive after its time is
/// over, so the test sends it until it arrives before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_would_be_run_too_late_is_refused_at_once_with_advice() {
    let process = Spec::new("operational")
        .set("INFERENCE_MAX_BATCH", "1024")
        .set("INFERENCE_QUEUE_ROWS", "65536")
        .set("INFERENCE_CALLER_ROWS", "65536")
        .start();
    let channel = process.channel();
    let flood = flood(&channel).await;
    let mut client = OperationalClient::new(channel);
    let hurried = Duration::from_millis(60);
    let status = eventually_async("a refusal", async || {
        let refused = client.forecast(timed(requests::forecast(), hurried)).await.err()?;
        (refused.code() == Code::ResourceExhausted).then_some(refused)
    })
    .await;
    assert!(status.message().contains("deadline"), "{status:?}");
    let details = status.get_error_details();
    let advice = details.retry_info().expect("advice").retry_delay.expect("a delay");
    assert!(!advice.is_zero(), "{status:?}");
    let late =
        process.metric("strata_layer_rows_turned_away_total", &[("reason", "would_be_late")]);
    assert!(late >= 1.0, "{late}");
    // In the same queue, a row with enough time is answered.
    client.forecast(patient(requests::forecast())).await.unwrap();
    flood.stop().await;
}

/// The name and the nice value of every thread of a process.
#[cfg(target_os = "linux")]
fn threads(pid: u32) -> Vec<(String, i32)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end before its file is read.
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let thread = |stat: String| {
        // pid (name) state ...: the name is the second field, the nice value the nineteenth.
        let (head, rest) = stat.rsplit_once(") ").unwrap();
        let name = head.split_once('(').unwrap().1.to_owned();
        (name, rest.split(' ').nth(16).unwrap().parse().unwrap())
    };
    stats.map(thread).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_threads_of_the_model_step_back_and_no_others() {
    let process =
        Spec::new("operational").set("INFERENCE_NICE", "7").set("INFERENCE_SESSIONS", "2").start();
    let pid = process.id();
    let usual = threads(std::process::id())[0].1;
    let stepped_back = (usual + 7).min(19);
    // A thread gets its name before its nice value.
    let owners = async |expected: &[&str]| {
        eventually_async("threads that step back", async || {
            let owners = threads(pid).into_iter().filter(|(_, nice)| *nice == stepped_back);
            let mut names: Vec<_> = owners.map(|(name, _)| name).collect();
            names.sort();
            (names == expected).then_some(())
        })
        .await;
    };
    owners(&["operational-0", "operational-1"]).await;
    // The thread that loads a version lowers its own priority. The owners of the new sessions do
    // not inherit that: theirs is lowered once, like that of the others.
    let mut models = ModelsClient::new(process.channel());
    models.load(pb::LoadModelRequest { version: 1, ..Default::default() }).await.unwrap();
    owners(&["operational-0", "operational-0", "operational-1", "operational-1"]).await;
    let is_async = |(name, _): &(String, i32)| name == "operational";
    let others: Vec<_> = threads(pid).into_iter().filter(is_async).collect();
    assert!(!others.is_empty() && others.iter().all(|(_, nice)| *nice == usual), "{others:?}");
}
