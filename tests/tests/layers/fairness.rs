//! Several callers of one layer.

use strata_tests::{Spec, metric, requests};
use strata_wire::pb::{
    self, select_row_result::Result as Answer, strategic_client::StrategicClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

/// A caller with a stream on a connection of its own.
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

/// A run waits until it has eight rows, so only the limits decide what is refused meanwhile.
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
    // A frame is answered when its rows are, so the order of answers is free.
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
