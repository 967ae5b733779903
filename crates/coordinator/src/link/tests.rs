//! Links to a layer that misbehaves in every possible way.
#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::metrics::gauge::Gauge;
use strata_chassis::ClientConfig;
use strata_domain::FaultKind;
use strata_wire::{
    Ask, Fault, Selecting, TracePlace,
    pb::{self, strategic_server::StrategicServer},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, watch},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

use super::{LinkSettings, Replicas};

pub(super) type Frame = pb::SelectFrame;
pub(super) type FrameResult = Result<pb::SelectFrameResult, Status>;
type Streams = mpsc::Receiver<(Streaming<Frame>, mpsc::Sender<FrameResult>)>;

/// A layer that the test plays: the test receives the frames of every stream and the sender of its
/// answers.
#[derive(Clone)]
struct Played {
    streams: mpsc::Sender<(Streaming<Frame>, mpsc::Sender<FrameResult>)>,
}

#[tonic::async_trait]
impl pb::strategic_server::Strategic for Played {
    type SelectStreamStream = ReceiverStream<FrameResult>;

    async fn select(
        &self,
        _: Request<pb::SelectRequest>,
    ) -> Result<Response<pb::SelectResponse>, Status> {
        Err(Status::unimplemented("only streams"))
    }

    async fn select_stream(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::SelectStreamStream>, Status> {
        let (answers, outbound) = mpsc::channel(16);
        self.streams.send((request.into_inner(), answers)).await.unwrap();
        Ok(Response::new(ReceiverStream::new(outbound)))
    }
}

pub(super) struct Stage {
    address: String,
    pub(super) replicas: Replicas<Selecting>,
    connected: Gauge,
    streams: Streams,
}

impl Stage {
    pub(super) async fn set(queue_rows: usize) -> Self {
        let (address, streams) = play().await;
        let connected = Gauge::default();
        let replicas = find(address, queue_rows, &connected);
        Self { address: format!("http://{address}"), replicas, connected, streams }
    }

    /// The next stream, once the link is up.
    pub(super) async fn stream(&mut self) -> (Streaming<Frame>, mpsc::Sender<FrameResult>) {
        let stream = self.streams.recv().await.unwrap();
        while !self.replicas.is_up() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stream
    }

    /// Sends a request that allows only the providers of `mask`.
    fn ask(&self, mask: u32) -> tokio::task::JoinHandle<Result<pb::SelectResponse, Fault>> {
        self.ask_within(mask, Duration::from_secs(30))
    }

    fn ask_within(
        &self,
        mask: u32,
        time: Duration,
    ) -> tokio::task::JoinHandle<Result<pb::SelectResponse, Fault>> {
        let replicas = self.replicas.clone();
        let request = pb::SelectRequest { model_version: mask, ..Default::default() };
        let deadline = Instant::now() + time;
        tokio::spawn(async move { replicas.ask(asked(request, deadline, 0)).await.0 })
    }
}

/// Wraps a request of a caller.
pub(super) fn asked<Q>(request: Q, deadline: Instant, caller: u64) -> Ask<Q> {
    Ask { request, trace: TracePlace::default(), deadline, caller, alone: false }
}

/// Starts a layer that the test plays, and returns the streams it receives.
async fn play() -> (SocketAddr, Streams) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, streams) = mpsc::channel(8);
    let server = tonic::transport::Server::builder()
        .add_service(StrategicServer::new(Played { streams: sender }));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, streams)
}

fn find(address: SocketAddr, queue_rows: usize, connected: &Gauge) -> Replicas<Selecting> {
    let settings = LinkSettings {
        client: ClientConfig::default(),
        queue_rows,
        max_backoff: Duration::from_millis(50),
        max_message_bytes: 4 << 20,
        resolve_interval: Duration::from_secs(60),
        connected: connected.clone(),
        came_up: Arc::new(Notify::new()),
        needs: watch::Sender::default().subscribe(),
    };
    Replicas::find(&[format!("http://{address}")], settings).unwrap()
}

/// Answers every row of a frame with the version it names as the platform.
pub(super) fn echo(frame: &Frame) -> pb::SelectFrameResult {
    let rows = frame.rows.iter().map(|row| {
        let provider = row.request.as_ref().unwrap().model_version;
        let response = pb::SelectResponse { platform: provider.to_string(), ..Default::default() };
        pb::SelectRowResult { result: Some(pb::select_row_result::Result::Response(response)) }
    });
    pb::SelectFrameResult { frame_id: frame.frame_id, rows: rows.collect(), draining: false }
}

#[tokio::test]
async fn answers_reach_those_who_asked_even_out_of_order() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let first = stage.ask(1);
    let first_frame = frames.message().await.unwrap().unwrap();
    let second = stage.ask(2);
    let second_frame = frames.message().await.unwrap().unwrap();
    answers.send(Ok(echo(&second_frame))).await.unwrap();
    assert_eq!(second.await.unwrap().unwrap().platform, "2");
    answers.send(Ok(echo(&first_frame))).await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().platform, "1");
}

#[tokio::test]
async fn rows_gather_into_one_frame_while_two_are_on_their_way() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let _first = stage.ask(1);
    let first_frame = frames.message().await.unwrap().unwrap();
    let _second = stage.ask(1);
    let _second_frame = frames.message().await.unwrap().unwrap();
    let waiting: Vec<_> = (0..10).map(|_| stage.ask(2)).collect();
    while stage.replicas.waiting() < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    answers.send(Ok(echo(&first_frame))).await.unwrap();
    let gathered = frames.message().await.unwrap().unwrap();
    assert_eq!(gathered.rows.len(), 10);
    assert!(gathered.rows.iter().all(|row| row.budget_us > 0));
    answers.send(Ok(echo(&gathered))).await.unwrap();
    for asked in waiting {
        assert_eq!(asked.await.unwrap().unwrap().platform, "2");
    }
}

#[tokio::test]
async fn missing_rows_and_unasked_frames_harm_nobody_else() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let asked = stage.ask(1);
    let frame = frames.message().await.unwrap().unwrap();
    let unasked = pb::SelectFrameResult { frame_id: 999, ..Default::default() };
    answers.send(Ok(unasked)).await.unwrap();
    let short = pb::SelectFrameResult { frame_id: frame.frame_id, ..Default::default() };
    answers.send(Ok(short)).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap_err().kind, FaultKind::Internal);
    let next = stage.ask(3);
    let frame = frames.message().await.unwrap().unwrap();
    answers.send(Ok(echo(&frame))).await.unwrap();
    assert_eq!(next.await.unwrap().unwrap().platform, "3");
}

#[tokio::test]
async fn a_broken_stream_is_unavailable_and_opened_again() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let asked = stage.ask(1);
    frames.message().await.unwrap().unwrap();
    answers.send(Err(Status::internal("out of luck"))).await.unwrap();
    let fault = asked.await.unwrap().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.message.contains("out of luck"), "{}", fault.message);
    let (mut frames, answers) = stage.stream().await;
    let asked = stage.ask(2);
    let frame = frames.message().await.unwrap().unwrap();
    answers.send(Ok(echo(&frame))).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().platform, "2");
    assert_eq!(stage.connected.get(), 1);
}

#[tokio::test]
async fn a_draining_layer_answers_what_it_has_and_gets_no_more() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let asked = stage.ask(1);
    let frame = frames.message().await.unwrap().unwrap();
    let notice = pb::SelectFrameResult { draining: true, ..Default::default() };
    answers.send(Ok(notice)).await.unwrap();
    // The link half-closes, which tells the layer that nothing more comes.
    assert!(frames.message().await.unwrap().is_none());
    answers.send(Ok(echo(&frame))).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().platform, "1");
}

#[tokio::test]
async fn time_that_is_spent_is_told_and_the_late_answer_dropped() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let asked = stage.ask_within(1, Duration::from_millis(20));
    let frame = frames.message().await.unwrap().unwrap();
    assert!((1..=20_000).contains(&frame.rows[0].budget_us));
    let fault = asked.await.unwrap().unwrap_err();
    assert_eq!(fault.kind, FaultKind::DeadlineExceeded);
    assert!(fault.message.contains("strategic"));
    answers.send(Ok(echo(&frame))).await.unwrap();
    let next = stage.ask(2);
    let frame = frames.message().await.unwrap().unwrap();
    answers.send(Ok(echo(&frame))).await.unwrap();
    assert_eq!(next.await.unwrap().unwrap().platform, "2");
}

#[tokio::test]
async fn a_full_queue_is_an_answer() {
    let mut stage = Stage::set(2).await;
    let (mut frames, _answers) = stage.stream().await;
    // Two frames are in flight and two rows fill the queue.
    let mut asked = Vec::new();
    for _ in 0..2 {
        asked.push(stage.ask(1));
        frames.message().await.unwrap().unwrap();
    }
    for waiting in 1..=2 {
        asked.push(stage.ask(1));
        while stage.replicas.waiting() < waiting {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let fault = stage.ask(1).await.unwrap().unwrap_err();
    assert_eq!(fault.kind, FaultKind::ResourceExhausted);
    assert!(fault.retry_after.is_some());
}

#[tokio::test]
async fn a_replica_that_is_no_longer_wanted_still_answers_what_it_has() {
    let mut stage = Stage::set(64).await;
    let (mut frames, answers) = stage.stream().await;
    let asked = stage.ask(1);
    let frame = frames.message().await.unwrap().unwrap();
    stage.replicas.follow(&[], true);
    assert!(!stage.replicas.is_up());
    assert!(frames.message().await.unwrap().is_none());
    answers.send(Ok(echo(&frame))).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().platform, "1");
}

/// Adds a second layer to the replicas of `stage`, and returns the streams it receives.
async fn join(stage: &Stage) -> Streams {
    let (address, streams) = play().await;
    stage.replicas.follow(&[stage.address.clone(), format!("http://{address}")], true);
    streams
}

async fn both_are_up(stage: &Stage) {
    while stage.connected.get() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn equally_busy_replicas_take_turns() {
    let mut stage = Stage::set(64).await;
    let (mut one, one_answers) = stage.stream().await;
    let (mut two, two_answers) = join(&stage).await.recv().await.unwrap();
    both_are_up(&stage).await;
    let (mut at_one, mut at_two) = (0, 0);
    for _ in 0..20 {
        let asked = stage.ask(1);
        tokio::select! {
            frame = one.message() => {
                at_one += 1;
                one_answers.send(Ok(echo(&frame.unwrap().unwrap()))).await.unwrap();
            }
            frame = two.message() => {
                at_two += 1;
                two_answers.send(Ok(echo(&frame.unwrap().unwrap()))).await.unwrap();
            }
        }
        asked.await.unwrap().unwrap();
    }
    assert!(at_one >= 5 && at_two >= 5, "{at_one} and {at_two}");
}

#[tokio::test]
async fn what_a_draining_replica_was_not_sent_is_answered_all_the_same() {
    let mut stage = Stage::set(64).await;
    let (mut one, one_answers) = stage.stream().await;
    let mut others = join(&stage).await;
    let (mut two, two_answers) = others.recv().await.unwrap();
    both_are_up(&stage).await;
    // Neither layer answers: each gets two frames of one row, then rows queue for both.
    let mut asked = Vec::new();
    let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        asked.push(stage.ask(1));
        tokio::select! {
            frame = one.message() => of_one.push(frame.unwrap().unwrap()),
            frame = two.message() => of_two.push(frame.unwrap().unwrap()),
        }
    }
    assert_eq!((of_one.len(), of_two.len()), (2, 2));
    asked.extend((0..20).map(|_| stage.ask(1)));
    while stage.replicas.waiting() < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let notice = pb::SelectFrameResult { draining: true, ..Default::default() };
    one_answers.send(Ok(notice)).await.unwrap();
    assert!(one.message().await.unwrap().is_none());
    for frame in &of_one {
        one_answers.send(Ok(echo(frame))).await.unwrap();
    }
    drop(one_answers);
    for frame in &of_two {
        two_answers.send(Ok(echo(frame))).await.unwrap();
    }
    // The drained layer does not come back: it refuses every new stream.
    let refusing = tokio::spawn(async move {
        while let Some((_, answers)) = stage.streams.recv().await {
            answers.send(Err(Status::unavailable("shutting down"))).await.unwrap();
        }
    });
    let serving = tokio::spawn(async move {
        while let Ok(Some(frame)) = two.message().await {
            two_answers.send(Ok(echo(&frame))).await.unwrap();
        }
    });
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap().platform, "1");
    }
    refusing.abort();
    serving.abort();
}

#[tokio::test]
async fn nobody_there_is_unavailable_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let replicas = find(address, 8, &Gauge::default());
    let deadline = Instant::now() + Duration::from_secs(30);
    let asking = replicas.ask(asked(pb::SelectRequest::default(), deadline, 0));
    let fault = asking.await.0.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.message.contains("strategic"));
}

#[tokio::test]
async fn text_that_is_no_endpoint_is_refused() {
    let settings = LinkSettings {
        client: ClientConfig::default(),
        queue_rows: 1,
        max_backoff: Duration::from_millis(50),
        max_message_bytes: 1024,
        resolve_interval: Duration::from_secs(60),
        connected: Gauge::default(),
        came_up: Arc::new(Notify::new()),
        needs: watch::Sender::default().subscribe(),
    };
    assert!(Replicas::<Selecting>::find(&["strategic".to_owned()], settings).is_err());
}
