//! The four services as one process: the answers of the cluster, all four ports, one drain.

use rustix::process::Signal;
use strata_tests::{
    Cluster, LAYERS, Node, Spec, decisions_until_error, metric, requests, violated_fields,
};
use strata_wire::pb::{
    self, decide_stream_response::Result as Answer, models_client::ModelsClient,
    strategic_client::StrategicClient, tactical_client::TacticalClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

const STREAMED: usize = 400;

/// An answer without its times, its id and the sizes of batches.
fn timeless(mut answer: pb::DecideResponse) -> pb::DecideResponse {
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
    // A row asked in vain would share a batch with the next one, and a batch of two may round the
    // last bit of a forecast otherwise than a batch of one.
    let chain = |spec: Spec| spec.set("REQUESTS_SPECULATION", "off");
    let cluster = Cluster::start_with_service("coordinator", chain);
    let node = Node::start();
    for number in 0..40 {
        let here =
            node.client().decide(requests::decide_explained(number)).await.unwrap().into_inner();
        let there =
            cluster.client().decide(requests::decide_explained(number)).await.unwrap().into_inner();
        assert_eq!(here.layers.len(), 3);
        assert_eq!(timeless(here), timeless(there), "request {number}");
    }
    let wrong = pb::DecideRequest { function: None, ..requests::decide(0) };
    let here = node.client().decide(wrong.clone()).await.unwrap_err();
    let there = cluster.client().decide(wrong).await.unwrap_err();
    assert_eq!((here.code(), here.message()), (there.code(), there.message()));
    assert_eq!(violated_fields(&here), violated_fields(&there));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layers_answer_on_ports_and_show_metrics_of_their_own() {
    let node = Node::start();
    let mut strategic = StrategicClient::new(node.channel_to("strategic"));
    strategic.select(requests::select()).await.unwrap();
    let mut tactical = TacticalClient::new(node.channel_to("tactical"));
    tactical.place(requests::place()).await.unwrap();
    node.client().decide(requests::decide(0)).await.unwrap();
    let rows = |layer| metric(&node.metrics_of(layer), "strata_layer_rows_answered_total", &[]);
    assert_eq!(LAYERS.map(rows), [2.0, 2.0, 1.0]);
    let decided = node.process.metric("strata_coordinator_decisions_total", &[("code", "OK")]);
    assert_eq!(decided, 1.0);
    assert!(node.metrics_of("tactical").contains("strata_build_info{binary=\"tactical\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_versions_of_a_layer_are_changed_while_it_is_asked_by_calls() {
    // The repository has versions 1 and 2 of it.
    let node = Node::start_with(|spec| spec.set("STRATEGIC_MODELS_VERSION", "1"));
    let mut models = ModelsClient::new(node.channel_to("strategic"));
    let decided = async |number| {
        let answer = node.client().decide(requests::decide(number)).await.unwrap().into_inner();
        answer.layers[0].inference.as_ref().unwrap().version
    };
    assert_eq!(decided(0).await, 1);
    models.load(pb::LoadModelRequest { version: 2, ..Default::default() }).await.unwrap();
    models.set_traffic(requests::traffic(&[(1, 50), (2, 50)])).await.unwrap();
    let mut seen = [0; 3];
    for number in 0..40 {
        let version = decided(number).await;
        seen[version as usize] += 1;
        assert_eq!(decided(number).await, version, "request {number}");
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
    let rows = |version| {
        let labels = [("version", version)];
        metric(&node.metrics_of("strategic"), "strata_layer_model_rows_total", &labels)
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
    let mut node = Node::start();
    // A drain does not wait for an idle stream.
    let (_idle, receiver) = mpsc::channel(1);
    let mut layer = StrategicClient::new(node.channel_to("strategic"));
    let mut notices =
        layer.select_stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();

    let (sender, receiver) = mpsc::channel(STREAMED);
    let answers = node.client().decide_stream(ReceiverStream::new(receiver)).await;
    let mut answers = answers.unwrap().into_inner();
    for number in 0..STREAMED {
        sender.send(requests::decide(number)).await.unwrap();
    }
    let first = answers.message().await.unwrap().unwrap();
    assert!(matches!(first.result, Some(Answer::Decision(_))), "{first:?}");
    node.process.signal(Signal::TERM);
    let (_, end) = decisions_until_error(&mut answers).await;
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(end.message().contains("everything read was answered"), "{end:?}");
    assert!(notices.message().await.unwrap().unwrap().draining);
    assert_eq!(node.process.wait().code(), Some(0));
    assert_eq!(node.process.logged("\"ERROR\""), 0, "{}", node.process.log());
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
