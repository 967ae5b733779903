//! The four services as one process: the answers of the cluster, all four ports, one drain.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;

use rustix::process::Signal;
use strata_tests::{Cluster, Process, Spec, get, metric, requests, violated_fields};
use strata_wire::pb;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use strata_wire::pb::decide_stream_response::Result as Answer;
use strata_wire::pb::models_client::ModelsClient;
use strata_wire::pb::strategic_client::StrategicClient;
use strata_wire::pb::tactical_client::TacticalClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

const LAYERS: [&str; 3] = ["STRATEGIC", "TACTICAL", "OPERATIONAL"];
const STREAMED: usize = 400;

fn client(process: &Process) -> CoordinatorClient<Channel> {
    CoordinatorClient::new(process.channel())
}

fn channel_to(node: &Process, layer: &str) -> Channel {
    let address = node.spec().setting(&format!("{layer}_GRPC_LISTEN"));
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// The page of metrics of a layer.
fn page(node: &Process, layer: &str) -> String {
    let address: SocketAddr =
        node.spec().setting(&format!("{layer}_ADMIN_LISTEN")).parse().unwrap();
    get(address, "/metrics").unwrap().body
}

fn explained(number: usize) -> pb::DecideRequest {
    let options = pb::Options { explain: true, ..pb::Options::default() };
    pb::DecideRequest { options: Some(options), ..requests::decide(number) }
}

/// What of an answer does not depend on when and where it was made.
fn lasting(mut answer: pb::DecideResponse) -> pb::DecideResponse {
    answer.decision_id.clear();
    answer.elapsed_us = 0;
    for layer in &mut answer.layers {
        layer.elapsed_us = 0;
        let inference = layer.inference.as_mut().unwrap();
        (inference.queue_us, inference.run_us, inference.batch_size) = (0, 0, 0);
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_answers_are_those_of_the_cluster_bit_for_bit() {
    let cluster = Cluster::start();
    let node = Spec::node().start();
    for number in 0..40 {
        let here = client(&node).decide(explained(number)).await.unwrap().into_inner();
        let there = cluster.client().decide(explained(number)).await.unwrap().into_inner();
        assert_eq!(here.layers.len(), 3);
        assert_eq!(lasting(here), lasting(there), "request {number}");
    }
    let wrong = pb::DecideRequest { function: None, ..requests::decide(0) };
    let here = client(&node).decide(wrong.clone()).await.unwrap_err();
    let there = cluster.client().decide(wrong).await.unwrap_err();
    assert_eq!((here.code(), here.message()), (there.code(), there.message()));
    assert_eq!(violated_fields(&here), violated_fields(&there));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layers_answer_on_ports_and_show_metrics_of_their_own() {
    let node = Spec::node().start();
    let mut strategic = StrategicClient::new(channel_to(&node, "STRATEGIC"));
    strategic.select(requests::select()).await.unwrap();
    let mut tactical = TacticalClient::new(channel_to(&node, "TACTICAL"));
    tactical.place(requests::place()).await.unwrap();
    client(&node).decide(requests::decide(0)).await.unwrap();
    let rows = |layer| metric(&page(&node, layer), "strata_layer_rows_answered_total", &[]);
    assert_eq!(LAYERS.map(rows), [2.0, 2.0, 1.0]);
    let decided = metric(&node.metrics(), "strata_coordinator_decisions_total", &[("code", "OK")]);
    assert_eq!(decided, 1.0);
    assert!(page(&node, "TACTICAL").contains("strata_build_info{binary=\"tactical\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_versions_of_a_layer_are_changed_while_it_is_asked_by_calls() {
    // The repository has versions 1 and 2 of it.
    let node = Spec::node().set("STRATEGIC_MODELS_VERSION", "1").start();
    let mut models = ModelsClient::new(channel_to(&node, "STRATEGIC"));
    let decided = async |number| {
        let answer = client(&node).decide(requests::decide(number)).await.unwrap().into_inner();
        answer.layers[0].inference.as_ref().unwrap().version
    };
    assert_eq!(decided(0).await, 1);
    models.load(pb::LoadModelRequest { version: 2, ..Default::default() }).await.unwrap();
    let share = |version, percent| pb::TrafficShare { version, percent, ..Default::default() };
    let traffic = pb::SetTrafficRequest {
        shares: vec![share(1, 50), share(2, 50)],
        ..pb::SetTrafficRequest::default()
    };
    models.set_traffic(traffic).await.unwrap();
    let mut seen = [0; 3];
    for number in 0..40 {
        let version = decided(number).await;
        seen[version as usize] += 1;
        assert_eq!(decided(number).await, version, "request {number}");
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
    let rows = |version| {
        let labels = [("version", version)];
        metric(&page(&node, "STRATEGIC"), "strata_layer_model_rows_total", &labels)
    };
    assert_eq!((rows("1"), rows("2")), (f64::from(2 * seen[1] + 1), f64::from(2 * seen[2])));
    models.rollback(pb::RollbackRequest::default()).await.unwrap();
    for number in 0..40 {
        assert_eq!(decided(number).await, 1);
    }
    models.unload(pb::UnloadModelRequest { version: 2, ..Default::default() }).await.unwrap();
    assert_eq!(decided(0).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_read_is_answered_when_it_drains() {
    let mut node = Spec::node().start();
    // Idle, and not to be waited for.
    let (_idle, receiver) = mpsc::channel(1);
    let mut layer = StrategicClient::new(channel_to(&node, "STRATEGIC"));
    let mut notices =
        layer.select_stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();

    let (sender, receiver) = mpsc::channel(STREAMED);
    let answers = client(&node).decide_stream(ReceiverStream::new(receiver)).await;
    let mut answers = answers.unwrap().into_inner();
    for number in 0..STREAMED {
        sender.send(requests::decide(number)).await.unwrap();
    }
    answers.message().await.unwrap().unwrap();
    node.signal(Signal::TERM);
    let mut decided = 1.0;
    let end = loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                assert!(matches!(answer.result, Some(Answer::Decision(_))), "{answer:?}");
                decided += 1.0;
            }
            Ok(None) => panic!("a stream cut by a drain must say so"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(end.message().contains("everything read was answered"), "{end:?}");
    assert!(notices.message().await.unwrap().unwrap().draining);
    assert_eq!(node.wait().code(), Some(0));
    assert!(decided >= 1.0 && !node.log().contains("\"ERROR\""), "{}", node.log());
}

#[test]
fn a_setting_of_a_section_is_refused_by_its_name() {
    for (setting, expected) in [
        ("TACTICAL_INFERENCE_SESSIONS", "tactical.inference.sessions: must be from 1 to 64"),
        ("COORDINATOR_LAYERS_TACTICAL", "unknown environment variable STRATA_NODE_COORDINATOR_"),
    ] {
        let mut node = Spec::node().set(setting, "0").spawn();
        assert_eq!(node.wait().code(), Some(2));
        assert!(node.log().contains(expected), "{}", node.log());
    }
}
