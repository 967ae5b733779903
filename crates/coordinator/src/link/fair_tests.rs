//! Fairness between callers of one replica.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::join_all};
use strata_domain::FaultKind;
use strata_wire::pb;

use super::tests::{Frame, Stage, asked, echo};

/// The masks of the rows of a frame, by which the tests tell callers apart.
fn masks(frame: &Frame) -> Vec<u32> {
    frame.rows.iter().map(|row| row.request.as_ref().unwrap().model_version).collect()
}

/// Asks as `caller`, with a mask that identifies it. The row is queued when the future is first
/// polled.
fn ask(
    stage: &Stage,
    caller: u64,
) -> impl Future<Output = Result<pb::SelectResponse, strata_wire::Fault>> + use<> {
    let replicas = stage.replicas.clone();
    let mask = u32::try_from(caller).unwrap();
    let request = pb::SelectRequest { model_version: mask, ..Default::default() };
    let deadline = Instant::now() + Duration::from_secs(60);
    async move { replicas.ask(asked(request, deadline, caller)).await.0 }
}

#[tokio::test]
async fn a_flood_of_one_caller_does_not_hold_up_another() {
    let mut stage = Stage::set(4096).await;
    let (mut frames, answers) = stage.stream().await;
    let mut flood = Box::pin(join_all((0..3000).map(|_| ask(&stage, 1))));
    assert!((&mut flood).now_or_never().is_none());
    let mut few = Box::pin(join_all((0..10).map(|_| ask(&stage, 2))));
    assert!((&mut few).now_or_never().is_none());
    let flooding = tokio::spawn(flood);
    let waiting = tokio::spawn(few);
    // All rows were queued before the link's task ran, so its first frame holds rows of both
    // callers.
    let mut rows = 0;
    let mut first = None;
    while rows < 3010 {
        let frame = frames.message().await.unwrap().unwrap();
        rows += frame.rows.len();
        first.get_or_insert_with(|| masks(&frame));
        answers.send(Ok(echo(&frame))).await.unwrap();
    }
    let first = first.unwrap();
    assert_eq!((first.len(), first.iter().filter(|mask| **mask == 2).count()), (64, 10));
    assert!(waiting.await.unwrap().into_iter().all(|answer| answer.unwrap().platform == "2"));
    assert!(flooding.await.unwrap().into_iter().all(|answer| answer.unwrap().platform == "1"));
}

#[tokio::test]
async fn what_a_layer_advises_reaches_who_asked() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let asking = tokio::spawn(ask(&stage, 1));
    let frame = frames.message().await.unwrap().unwrap();
    let pause = Duration::from_millis(7);
    let late = strata_wire::Fault::new(FaultKind::ResourceExhausted, "late").retry_after(pause);
    let result = pb::select_row_result::Result::Fault(late.clone().into());
    let rows = vec![pb::SelectRowResult { result: Some(result) }];
    let frame_id = frame.frame_id;
    answers.send(Ok(pb::SelectFrameResult { frame_id, rows, draining: false })).await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap_err(), late);
}
