//! Decisions while a layer is slow or away, and after it has returned.

use std::time::{Duration, Instant};

use strata_tests::{
    Cluster, LAYERS, Process, Spec, eventually, eventually_async, get, requests, timed, untimed,
};
use strata_wire::pb::{self, decide_stream_response::Result as Answer};
use tonic::Code;
use tonic_types::StatusExt;

/// A cluster whose coordinator soon connects again to a layer that returns.
fn cluster() -> Cluster {
    Cluster::start_with_service("coordinator", |spec| spec.set("LAYERS_MAX_BACKOFF", "200ms"))
}

#[tokio::test]
async fn a_layer_that_is_gone_is_unavailable_and_one_that_returns_is_used() {
    for layer in [0, 1, 2] {
        let mut cluster = cluster();
        let mut client = cluster.client();
        client.decide(requests::decide(1)).await.unwrap();

        let victim = [&mut cluster.strategic, &mut cluster.tactical, &mut cluster.operational];
        let victim: &mut Process = victim.into_iter().nth(layer).unwrap();
        let name = victim.spec().name();
        victim.kill();
        let status =
            eventually_async("a refusal", async || client.decide(requests::decide(1)).await.err())
                .await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains(name), "{status:?}");
        assert!(status.get_error_details().retry_info().is_some(), "{status:?}");

        let restarted = victim.spec().start();
        eventually_async("a decision", async || client.decide(requests::decide(1)).await.ok())
            .await;
        drop(restarted);
    }
}

#[tokio::test]
async fn a_stream_outlives_a_layer() {
    let mut cluster = cluster();
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let outbound = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut answers = cluster.client().decide_stream(outbound).await.unwrap().into_inner();
    let mut ask = async || {
        sender.send(requests::decide(1)).await.unwrap();
        answers.message().await.unwrap().unwrap().result.unwrap()
    };
    let is_decision = |answer: &_| matches!(answer, Answer::Decision(_));
    assert!(is_decision(&ask().await));
    cluster.tactical.kill();
    let fault = eventually_async("a fault", async || match ask().await {
        Answer::Fault(fault) => Some(fault),
        Answer::Decision(_) => None,
    })
    .await;
    assert_eq!(fault.kind(), pb::FaultKind::Unavailable);
    assert!(fault.retry_after.is_some());
    let _restarted = cluster.tactical.spec().start();
    eventually_async("a decision", async || is_decision(&ask().await).then_some(())).await;
}

#[tokio::test]
async fn a_coordinator_without_layers_is_not_ready_and_waits_for_them() {
    let layers = LAYERS.map(Spec::new);
    let mut coordinator =
        Cluster::coordinator_of(&layers).set("LAYERS_MAX_BACKOFF", "200ms").spawn();
    let admin = coordinator.admin();
    let ready = || get(admin, "/readyz").map(|answer| answer.status);
    let status = eventually("an answer", ready);
    assert_eq!(status, 503);
    let _layers = layers.map(|spec| spec.start());
    coordinator.wait_ready();
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_exceeded() {
    let cluster = cluster();
    let mut client = untimed(&cluster.coordinator);
    let status = client.decide(timed(requests::decide(1), Duration::ZERO)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    client.decide(timed(requests::decide(1), Duration::from_secs(60))).await.unwrap();
}

#[tokio::test]
async fn a_layer_that_hangs_costs_the_callers_deadline_and_no_more() {
    let cluster = cluster();
    let mut client = untimed(&cluster.coordinator);
    cluster.operational.pause();
    let started = Instant::now();
    // Each layer before it gets about a third, which is enough on a busy machine.
    let timeout = Duration::from_millis(1500);
    let status = client.decide(timed(requests::decide(1), timeout)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(status.message().contains("operational"), "{status:?}");
    assert!(started.elapsed() >= timeout - Duration::from_millis(100));
    // An invalid request is still refused at once.
    let bad = pb::DecideRequest { function: None, ..requests::decide(1) };
    let status = client.decide(timed(bad, Duration::from_secs(60))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    cluster.operational.resume();
    let decided = client.decide(timed(requests::decide(1), Duration::from_secs(60))).await;
    decided.unwrap();
}

#[tokio::test]
async fn a_request_without_a_deadline_gets_the_default() {
    let cluster = Cluster::start_with_service("coordinator", |spec| {
        spec.set("REQUESTS_DEFAULT_TIMEOUT", "150ms")
    });
    cluster.strategic.pause();
    let status = cluster.client().decide(requests::decide(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(status.message().contains("strategic"), "{status:?}");
    cluster.strategic.resume();
}

#[tokio::test]
async fn a_request_may_bring_a_budget_of_its_own() {
    let cluster = Cluster::start();
    cluster.strategic.pause();
    let options = pb::Options { budget_ms: 150, ..pb::Options::default() };
    let request = pb::DecideRequest { options: Some(options), ..requests::decide(1) };
    let mut client = cluster.client();
    let status = client.decide(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");

    // Each request of a stream has its own budget: the one without is decided when the layer
    // answers again.
    let both = tokio_stream::iter([request, requests::decide(2)]);
    let mut answers = client.decide_stream(both).await.unwrap().into_inner();
    let spent = answers.message().await.unwrap().unwrap();
    assert_eq!(spent.correlation_id, "1");
    let Some(Answer::Fault(fault)) = spent.result else { panic!("{spent:?}") };
    assert_eq!(fault.kind(), pb::FaultKind::DeadlineExceeded);
    cluster.strategic.resume();
    let decided = answers.message().await.unwrap().unwrap();
    assert_eq!(decided.correlation_id, "2");
    let is_decision = matches!(decided.result, Some(Answer::Decision(_)));
    assert!(is_decision, "{decided:?}");
}

#[tokio::test]
async fn replicas_of_a_layer_share_the_work_and_stand_in_for_each_other() {
    let mut second = Spec::new("operational").start();
    let mut cluster =
        Cluster::start_with_service("coordinator", |spec| spec.add_replica(second.spec()));
    let mut client = cluster.client();
    let rows = |process: &Process| process.metric("strata_layer_rows_answered_total", &[]);
    eventually_async("both replicas to be asked", async || {
        let stream = tokio_stream::iter((0..500).map(requests::decide));
        let mut answers = client.decide_stream(stream).await.unwrap().into_inner();
        while answers.message().await.unwrap().is_some() {}
        (rows(&cluster.operational) > 0.0 && rows(&second) > 0.0).then_some(())
    })
    .await;
    cluster.operational.kill();
    eventually_async("the other one", async || client.decide(requests::decide(1)).await.ok()).await;
    for number in 0..20 {
        client.decide(requests::decide(number)).await.unwrap();
    }
    second.kill();
}
