//! Drains of the coordinator. A layer that is paused keeps its requests in flight.

use std::time::Duration;

use rustix::process::Signal;
use strata_tests::{Cluster, decisions_until_error, eventually, eventually_async, requests};
use strata_wire::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const UNARY: usize = 40;
const STREAMED: usize = 200;

/// A cluster whose requests may take a minute.
fn patient() -> Cluster {
    Cluster::start_with_service("coordinator", |spec| {
        spec.set("REQUESTS_DEFAULT_TIMEOUT", "60s").set("REQUESTS_MAX_TIMEOUT", "60s")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_accepted_is_answered() {
    let mut cluster = patient();
    cluster.client().decide(requests::decide(0)).await.unwrap();
    cluster.operational.pause();

    let unary: Vec<_> = (0..UNARY)
        .map(|number| {
            let mut client = cluster.client();
            tokio::spawn(async move { client.decide(requests::decide(number)).await })
        })
        .collect();
    let (sender, receiver) = mpsc::channel(STREAMED);
    let mut answers =
        cluster.client().decide_stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    for number in 0..STREAMED {
        sender.send(requests::decide(number)).await.unwrap();
    }
    cluster.coordinator.wait_for_calls("Decide", UNARY as f64 + 1.0);
    // The hop before the one that hangs is over for each request, so all of them were read.
    eventually("the requests to be read", || {
        let labels = [("layer", "tactical")];
        let hops = cluster.coordinator.metric("strata_coordinator_hop_seconds_count", &labels);
        (hops >= (1 + UNARY + STREAMED) as f64).then_some(())
    });

    cluster.coordinator.signal(Signal::TERM);
    cluster.coordinator.wait_for_drain();
    cluster.operational.resume();

    for call in unary {
        call.await.unwrap().unwrap();
    }
    let (decided, end) = decisions_until_error(&mut answers).await;
    assert_eq!(decided, STREAMED);
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert_eq!(cluster.coordinator.wait().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_streams_and_watchers_do_not_hold_it() {
    let mut cluster = patient();
    let (_sender, receiver) = mpsc::channel(1);
    let mut answers =
        cluster.client().decide_stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let mut health = HealthClient::new(cluster.coordinator.channel());
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    cluster.coordinator.signal(Signal::INT);
    assert_eq!(cluster.coordinator.wait().code(), Some(0));
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_never_answered_is_cut_when_the_grace_budget_is_over() {
    let mut cluster =
        Cluster::start_with_service("coordinator", |spec| spec.set("SHUTDOWN_GRACE", "1s"));
    cluster.tactical.pause();
    let mut client = cluster.client();
    let call = tokio::spawn(async move { client.decide(requests::decide(0)).await });
    cluster.coordinator.wait_for_calls("Decide", 1.0);
    cluster.coordinator.signal(Signal::TERM);
    assert_eq!(cluster.coordinator.wait().code(), Some(1));
    call.await.unwrap().unwrap_err();
    cluster.tactical.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut cluster = patient();
        cluster.tactical.pause();
        let mut client = cluster.client();
        let call = tokio::spawn(async move { client.decide(requests::decide(0)).await });
        cluster.coordinator.wait_for_calls("Decide", 1.0);
        cluster.coordinator.signal(Signal::TERM);
        cluster.coordinator.wait_for_drain();
        cluster.coordinator.signal(signal);
        assert_eq!(cluster.coordinator.wait().code(), Some(code));
        call.await.unwrap().unwrap_err();
        cluster.tactical.resume();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_calls_are_refused_while_the_old_ones_are_answered() {
    let mut cluster = patient();
    cluster.tactical.pause();
    let mut client = cluster.client();
    let call = tokio::spawn(async move { client.decide(requests::decide(0)).await });
    cluster.coordinator.wait_for_calls("Decide", 1.0);
    cluster.coordinator.signal(Signal::TERM);
    cluster.coordinator.wait_for_drain();
    // New calls are accepted until the settle time is over, though the layer that hangs keeps them
    // from being answered. After that the port is closed.
    let status = eventually_async("a refusal", async || {
        let mut newcomer = cluster.client();
        let call = newcomer.decide(requests::decide(1));
        tokio::time::timeout(Duration::from_millis(50), call).await.ok()?.err()
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    cluster.tactical.resume();
    let answer: pb::DecideResponse = call.await.unwrap().unwrap().into_inner();
    assert!(answer.placement.is_some());
    assert_eq!(cluster.coordinator.wait().code(), Some(0));
}
