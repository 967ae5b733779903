//! The drain of a server in this process: what is accepted is answered, and nothing waits for ever.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::time::{Duration, Instant};

use fixture::{grpc_config, start, start_with};
use strata_chassis::{Drain, ServerError};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const LONG: Duration = Duration::from_secs(30);
/// What a drain may take on a busy machine when it waits for nothing: far below `LONG`.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_call_in_progress_is_answered_and_readiness_is_gone_at_once() {
    let server = start_with(grpc_config(), Drain::new(LONG, Duration::from_secs(2))).await;
    server.health.serving().await;
    let client = server.client();
    let call = tokio::spawn(async move { client.say("sleep:2500").await });
    while server.drain.in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.drain.start();
    while server.health.is_serving() {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished());
    assert_eq!(server.get("/readyz").await.0, 503);
    // New calls are still taken while load balancers find out.
    assert_eq!(server.client().say("late").await.unwrap(), "late");
    assert_eq!(call.await.unwrap().unwrap(), "slept");
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn after_the_drain_nobody_listens() {
    let server = start(grpc_config(), LONG).await;
    let (grpc, admin) = (server.grpc, server.admin);
    server.stop().await.unwrap();
    for address in [grpc, admin] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn open_health_watches_and_reflection_streams_end_with_the_drain() {
    let server = start(grpc_config(), LONG).await;
    server.health.serving().await;
    let mut health = HealthClient::new(server.client().channel);
    let watch = health.watch(HealthCheckRequest { service: String::new() }).await;
    let mut watch = watch.unwrap().into_inner();
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::Serving);
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    let idle = tokio_stream::pending();
    let mut reflection = ServerReflectionClient::new(server.client().channel);
    let mut reflection = reflection.server_reflection_info(idle).await.unwrap().into_inner();

    let started = Instant::now();
    server.stop().await.unwrap();
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::NotServing);
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(reflection.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn what_was_read_from_a_stream_is_answered_before_the_stream_ends() {
    let server = start(grpc_config(), LONG).await;
    let (texts, mut answers) = server.client().chat().await;
    texts.send("work:600".to_owned()).await.unwrap();
    while server.drain.in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    let serving = tokio::spawn(server.stop());
    assert_eq!(answers.message().await.unwrap().as_deref(), Some("work:600"));
    assert_eq!(answers.message().await.unwrap(), None);
    serving.await.unwrap().unwrap();
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    drop(texts);
}

#[tokio::test]
async fn a_stream_that_stays_open_is_cut_when_the_budget_is_over_and_nothing_is_lost() {
    let grace = Duration::from_secs(2);
    let server = start(grpc_config(), grace).await;
    let (texts, mut answers) = server.client().chat().await;
    texts.send("ignore-drain".to_owned()).await.unwrap();
    assert_eq!(answers.message().await.unwrap().as_deref(), Some("ignore-drain"));
    let started = Instant::now();
    server.stop().await.unwrap();
    let took = started.elapsed();
    // The last tenth of the budget belongs to telemetry.
    assert!(took >= grace * 8 / 10 && took < SOON, "{took:?}");
    assert!(answers.message().await.is_err());
}

#[tokio::test]
async fn accepted_work_that_outlives_the_budget_is_cut_and_said() {
    let server = start(grpc_config(), Duration::from_secs(1)).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.say("sleep:60000").await });
    while server.drain.in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    let error = server.stop().await.unwrap_err();
    assert!(matches!(error, ServerError::Cut { in_flight: 1 }), "{error}");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert!(call.await.unwrap().is_err());
}
