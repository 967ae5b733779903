//! Several callers of one layer, and of a coordinator.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use strata_tests::{Cluster, Spec, metric, requests};
use strata_wire::pb::strategic_client::StrategicClient;
use strata_wire::pb::{
    self, decide_stream_response::Result as Decided, select_row_result::Result as Answer,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// A stream on a connection of its own.
struct Caller {
    frames: mpsc::Sender<pb::SelectFrame>,
    answers: Streaming<pb::SelectFrameResult>,
}

impl Caller {
    async fn connect(channel: Channel) -> Self {
        let (frames, outbound) = mpsc::channel(64);
        let mut client = StrategicClient::new(channel);
        let answers = client.select_stream(ReceiverStream::new(outbound)).await.unwrap();
        Self { frames, answers: answers.into_inner() }
    }

    async fn send(&self, frame_id: u64, rows: usize) {
        let row = pb::SelectRow { request: Some(requests::select()), ..Default::default() };
        self.frames.send(pb::SelectFrame { frame_id, rows: vec![row; rows] }).await.unwrap();
    }

    async fn answer(&mut self) -> (u64, Vec<Answer>) {
        let answer = self.answers.message().await.unwrap().unwrap();
        (answer.frame_id, answer.rows.into_iter().map(|row| row.result.unwrap()).collect())
    }
}

/// A run of eight rows waits until it is full: what is refused meanwhile is up to the limits alone.
#[tokio::test]
async fn a_caller_at_its_limit_is_told_so_and_others_get_in() {
    let process = Spec::new("strategic")
        .set("INFERENCE_MAX_BATCH", "8")
        .set("INFERENCE_MAX_DELAY", "10s")
        .set("INFERENCE_CALLER_ROWS", "4")
        .start();
    let mut greedy = Caller::connect(process.channel()).await;
    let mut modest = Caller::connect(process.channel()).await;
    greedy.send(1, 3).await;
    greedy.send(2, 2).await;
    let (frame, refused) = greedy.answer().await;
    assert_eq!((frame, refused.len()), (2, 2));
    let Answer::Fault(fault) = &refused[0] else { panic!("{refused:?}") };
    assert_eq!(fault.kind(), pb::FaultKind::ResourceExhausted);
    assert!(fault.message.contains("4 rows") && fault.retry_after.is_some(), "{fault:?}");
    modest.send(7, 4).await;
    greedy.send(3, 1).await;
    // The frames of one stream are answered as their rows are, in any order.
    let answered = [modest.answer().await, greedy.answer().await, greedy.answer().await];
    for (_, rows) in &answered {
        for row in rows {
            let Answer::Response(response) = row else { panic!("{row:?}") };
            assert_eq!(response.inference.as_ref().unwrap().batch_size, 8);
        }
    }
    let mut frames = answered.map(|(frame, rows)| (frame, rows.len()));
    frames.sort_unstable();
    assert_eq!(frames, [(1, 3), (3, 1), (7, 4)]);
    let metrics = process.metrics();
    let turned_away =
        |reason| metric(&metrics, "strata_layer_rows_turned_away_total", &[("reason", reason)]);
    assert_eq!((turned_away("caller_full"), turned_away("queue_full")), (2.0, 0.0));
}

#[tokio::test]
async fn a_coordinator_takes_so_many_requests_of_a_connection_and_no_more() {
    let cluster = Cluster::start_with(|spec| match spec.name() {
        "coordinator" => spec.set("REQUESTS_CALLER_IN_FLIGHT", "1"),
        _ => spec,
    });
    // Nothing is answered but what is refused.
    cluster.strategic.pause();
    let requests = tokio_stream::iter((0..2).map(|number| pb::DecideRequest {
        correlation_id: number.to_string(),
        ..requests::decide(number)
    }));
    let mut answers = cluster.client().decide_stream(requests).await.unwrap().into_inner();
    let refused = answers.message().await.unwrap().unwrap();
    let Some(Decided::Fault(fault)) = refused.result else { panic!("{refused:?}") };
    assert_eq!(
        (refused.correlation_id.as_str(), fault.kind()),
        ("1", pb::FaultKind::ResourceExhausted)
    );
    assert!(fault.message.contains("requests.caller_in_flight"), "{fault:?}");
    let mut other = cluster.client();
    let other = tokio::spawn(async move { other.decide(requests::decide(2)).await });
    cluster.strategic.resume();
    let answered = answers.message().await.unwrap().unwrap();
    assert!(matches!(answered.result, Some(Decided::Decision(_))), "{answered:?}");
    assert!(other.await.unwrap().is_ok());
}
