//! The server in this process, over real sockets: probes, codes, limits, deadlines, reflection.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::{
    convert::Infallible,
    pin::pin,
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use fixture::{Client, echo, grpc_config, raw, start};
use strata_chassis::{AdminConfig, Drain, GrpcConfig, Metrics, Server, ServerError, Services};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

const GRACE: Duration = Duration::from_secs(20);

async fn health_of(client: &Client, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    match HealthClient::new(client.channel.clone()).check(request).await {
        Ok(answer) => Ok(answer.into_inner().status()),
        Err(status) => Err(status.code()),
    }
}

#[tokio::test]
async fn the_admin_server_answers_probes_and_scrapes_and_nothing_else() {
    let server = start(grpc_config(), GRACE).await;
    assert_eq!(server.get("/livez").await, (200, "live\n".to_owned()));
    assert_eq!(server.get("/readyz").await.0, 503);
    server.health.serving().await;
    assert_eq!(server.get("/readyz").await.0, 200);
    server.health.not_serving().await;
    assert_eq!(server.get("/readyz").await.0, 503);
    let (status, text) = server.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("strata_build_info{") && text.ends_with("# EOF\n"), "{text}");
    for path in ["/", "/metrics/", "/livez/x", "/debug/pprof"] {
        assert_eq!(server.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn health_is_born_not_serving_and_never_serving_again_in_a_drain() {
    let server = start(grpc_config(), GRACE).await;
    let client = server.client();
    for service in ["", echo::SERVICE] {
        assert_eq!(health_of(&client, service).await, Ok(ServingStatus::NotServing), "{service}");
    }
    assert_eq!(health_of(&client, "nobody").await, Err(Code::NotFound));
    server.health.serving().await;
    for service in ["", echo::SERVICE] {
        assert_eq!(health_of(&client, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    let health = server.health.clone();
    server.stop().await.unwrap();
    health.serving().await;
    assert!(!health.is_serving());
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let server = start(grpc_config(), GRACE).await;
    let client = server.client();
    assert_eq!(client.say("hello").await.unwrap(), "hello");
    assert_eq!(client.say("hello").await.unwrap(), "hello");
    assert_eq!(client.say("nonsense:").await.unwrap_err().code(), Code::InvalidArgument);
    for path in ["/strata.chassis.test.v1.Echo/Sing", "/a/b", "/c/d"] {
        let path: &'static str = path;
        let status = client.call(path, Request::new(String::new())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
    let (texts, mut answers) = client.chat().await;
    texts.send("one".to_owned()).await.unwrap();
    assert_eq!(answers.message().await.unwrap().as_deref(), Some("one"));
    let say = r#"grpc_type="unary",grpc_service="strata.chassis.test.v1.Echo",grpc_method="Say""#;
    let chat =
        r#"grpc_type="bidi_stream",grpc_service="strata.chassis.test.v1.Echo",grpc_method="Chat""#;
    let text = server.metrics.encode();
    let count = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()).map(|n| n.parse::<f64>().unwrap())
    };
    assert_eq!(count(&format!("grpc_server_started_total{{{say}}}")), Some(3.0), "{text}");
    let handled = |labels: &str, code: &str| {
        count(&format!("grpc_server_handled_total{{{labels},grpc_code=\"{code}\"}}"))
    };
    assert_eq!(handled(say, "OK"), Some(2.0), "{text}");
    assert_eq!(handled(say, "InvalidArgument"), Some(1.0), "{text}");
    assert_eq!(count(&format!("grpc_server_handling_seconds_count{{{say}}}")), Some(3.0), "{text}");
    let bucket = format!("grpc_server_handling_seconds_bucket{{le=\"0.00005\",{say}}}");
    assert!(count(&bucket).is_some(), "{text}");
    // A stream counts when it ends.
    assert_eq!(count(&format!("grpc_server_started_total{{{chat}}}")), Some(1.0), "{text}");
    assert_eq!(handled(chat, "OK"), None, "{text}");
    // Paths nobody serves make one series together, and their text none.
    let unknown = r#"grpc_type="unary",grpc_service="unknown",grpc_method="unknown""#;
    assert_eq!(handled(unknown, "Unimplemented"), Some(3.0), "{text}");
    assert!(!text.contains("Sing") && !text.contains("/a/b"), "{text}");
    drop(texts);
    assert_eq!(answers.message().await.unwrap(), None);
    drop(answers);
    let line = format!("grpc_server_handled_total{{{chat},grpc_code=\"OK\"}} 1\n");
    eventually(|| server.metrics.encode().contains(&line)).await;
    assert!(server.metrics.encode().contains("grpc_server_connections 1\n"));
}

#[tokio::test]
async fn a_caller_who_leaves_is_counted_as_cancelled() {
    let server = start(grpc_config(), GRACE).await;
    let client = server.client();
    let call = tokio::time::timeout(Duration::from_millis(100), client.say("sleep:10000"));
    assert!(call.await.is_err());
    eventually(|| server.metrics.encode().contains("grpc_code=\"Canceled\"} 1\n")).await;
    eventually(|| server.drain.in_flight() == 0).await;
}

type Pieces = mpsc::Sender<Result<Bytes, Infallible>>;

/// A body that holds this, and then what is sent until the sender is gone.
async fn begun(piece: Bytes) -> (Pieces, Body) {
    let (more, stream) = mpsc::channel(4);
    more.send(Ok(piece)).await.unwrap();
    (more, Body::from_stream(ReceiverStream::new(stream)))
}

#[tokio::test]
async fn a_message_that_does_not_end_in_time_is_given_up() {
    let config = GrpcConfig { message_timeout: Duration::from_millis(100), ..grpc_config() };
    let server = start(config, GRACE).await;
    let whole = raw::frame("never over");
    let part = whole.slice(..8);
    // A unary request is not over before its stream is.
    for piece in [Bytes::new(), part.clone(), whole] {
        let (_more, body) = begun(piece).await;
        let answer = raw::call(server.grpc, echo::SAY, &[], body).await;
        assert_eq!(answer.code(), Code::DeadlineExceeded as i32, "{answer:?}");
        let message = answer.status["grpc-message"].to_str().unwrap();
        assert!(message.contains("grpc.message_timeout"), "{message}");
    }
    // A stream's service is told as well; this one makes it the end of its caller's side.
    let (_more, body) = begun([raw::frame("one"), part].concat().into()).await;
    let answer = raw::call(server.grpc, echo::CHAT, &[], body).await;
    assert_eq!((answer.code(), answer.data), (0, raw::frame("one").to_vec()));
    eventually(|| server.drain.in_flight() == 0).await;
}

#[tokio::test]
async fn a_message_may_come_in_pieces_and_a_stream_be_silent_between_messages() {
    let time = Duration::from_secs(1);
    let server = start(GrpcConfig { message_timeout: time, ..grpc_config() }, GRACE).await;
    let whole = raw::frame("one");
    let (more, body) = begun(whole.slice(..3)).await;
    let rest = whole.slice(3..);
    let sending = tokio::spawn(async move {
        more.send(Ok(rest)).await.unwrap();
        tokio::time::sleep(time + time / 5).await;
    });
    let answer = raw::call(server.grpc, echo::CHAT, &[], body).await;
    assert_eq!((answer.code(), answer.data), (0, whole.to_vec()));
    sending.await.unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_end_does_not_hold_up_a_drain() {
    let server = start(grpc_config(), GRACE).await;
    let (_nothing, empty) = begun(Bytes::new()).await;
    let (_rest, part) = begun(raw::frame("never whole").slice(..8)).await;
    let (address, drain, began) = (server.grpc, server.drain.clone(), Instant::now());
    let calls = [empty, part]
        .map(|body| tokio::spawn(async move { raw::call(address, echo::SAY, &[], body).await }));
    eventually(|| drain.in_flight() == 2).await;
    server.stop().await.unwrap();
    assert!(began.elapsed() < GRACE / 2, "{:?}", began.elapsed());
    for call in calls {
        assert_eq!(call.await.unwrap().code(), Code::Unavailable as i32);
    }
}

#[tokio::test]
async fn a_connection_may_not_begin_more_than_it_may_hold() {
    let config = GrpcConfig {
        max_message_bytes: 100_000,
        max_unfinished_bytes: Some(100_005),
        ..grpc_config()
    };
    let server = start(config, GRACE).await;
    let connection = raw::connect(server.grpc).await;
    let whole = raw::frame(&"x".repeat(90_000));
    let (first_more, first) = begun(whole.slice(..60_000)).await;
    let (second_more, second) = begun(whole.slice(..60_000)).await;
    let mut first = pin!(raw::call_on(&connection, echo::SAY, &[], first));
    let mut second = pin!(raw::call_on(&connection, echo::SAY, &[], second));
    let (refused, more, other) = tokio::select! {
        refused = first.as_mut() => (refused, second_more, second),
        refused = second.as_mut() => (refused, first_more, first),
    };
    assert_eq!(refused.code(), Code::ResourceExhausted as i32, "{refused:?}");
    let message = refused.status["grpc-message"].to_str().unwrap();
    assert!(message.contains("grpc.max_unfinished_bytes"), "{message}");
    // Others are still served, and so is this connection with what it may have.
    assert_eq!(server.client().say("hello").await.unwrap(), "hello");
    let hello = raw::frame("hello");
    let answer = raw::call_on(&connection, echo::SAY, &[], hello.clone().into()).await;
    assert_eq!(answer.data, hello);
    more.send(Ok(whole.slice(60_000..))).await.unwrap();
    drop(more);
    let answer = other.await;
    assert_eq!((answer.code(), answer.data), (0, whole.to_vec()));
}

#[tokio::test]
async fn a_panic_is_internal_to_its_caller_and_nothing_to_the_next() {
    let server = start(grpc_config(), GRACE).await;
    let client = server.client();
    let status = client.say("panic:").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(!status.message().contains("ordered"), "the cause is for the log: {status}");
    assert_eq!(client.say("still there").await.unwrap(), "still there");
    assert!(server.metrics.encode().contains("grpc_code=\"Internal\"} 1\n"));
}

#[tokio::test]
async fn time_that_is_up_is_deadline_exceeded() {
    let server = start(grpc_config(), GRACE).await;
    let started = Instant::now();
    let timeout = [("grpc-timeout", "80m")];
    let body = raw::frame("sleep:5000").into();
    let answer = raw::call(server.grpc, echo::SAY, &timeout, body).await;
    assert_eq!(answer.code(), Code::DeadlineExceeded as i32, "{answer:?}");
    assert!(started.elapsed() >= Duration::from_millis(80));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    // The handler was dropped with its call.
    eventually(|| server.drain.in_flight() == 0).await;
}

#[tokio::test]
async fn a_stream_whose_time_is_up_ends_with_deadline_exceeded_after_its_messages() {
    let server = start(grpc_config(), GRACE).await;
    let (texts, stream) = tokio::sync::mpsc::channel::<Result<_, std::io::Error>>(4);
    texts.send(Ok(raw::frame("one"))).await.unwrap();
    let body = axum::body::Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(stream));
    let answer = raw::call(server.grpc, echo::CHAT, &[("grpc-timeout", "150m")], body).await;
    assert_eq!(answer.code(), Code::DeadlineExceeded as i32, "{answer:?}");
    assert_eq!(answer.data, raw::frame("one"));
    drop(texts);
}

#[tokio::test]
async fn a_malformed_timeout_is_an_invalid_argument() {
    let server = start(grpc_config(), GRACE).await;
    for timeout in ["", "soon", "10", "1.5S", "-1S", "999999999S"] {
        let headers = [("grpc-timeout", timeout)];
        let answer = raw::call(server.grpc, echo::SAY, &headers, raw::frame("x").into()).await;
        assert_eq!(answer.code(), Code::InvalidArgument as i32, "{timeout:?}: {answer:?}");
    }
}

#[tokio::test]
async fn services_see_the_deadline_of_the_call() {
    let server = start(grpc_config(), GRACE).await;
    let left = |answer: String| answer.parse::<u64>().unwrap();
    // 5 s is the service's own default, 9 s its cap.
    let default = left(server.client().say("deadline:").await.unwrap());
    assert!((1_000..=5_000).contains(&default), "{default}");
    for (timeout, range) in [(7, 5_001..=7_000), (60, 7_001..=9_000)] {
        let mut request = Request::new("deadline:".to_owned());
        request.set_timeout(Duration::from_secs(timeout));
        let answer = server.client().call(echo::SAY, request).await.unwrap();
        let left = left(answer.into_inner());
        assert!(range.contains(&left), "{timeout} s: {left} ms");
    }
}

#[tokio::test]
async fn a_full_server_refuses_calls_and_still_answers_probes() {
    let config = GrpcConfig { max_concurrent_calls: 1, ..grpc_config() };
    let server = start(config, GRACE).await;
    let client = server.client();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.say("sleep:2000").await }
    });
    eventually(|| server.drain.in_flight() == 1).await;
    let status = client.say("hello").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let retry = status.get_details_retry_info().unwrap();
    assert!(retry.retry_delay.unwrap() > Duration::ZERO);
    assert_eq!(health_of(&client, "").await, Ok(ServingStatus::NotServing));
    assert_eq!(first.await.unwrap().unwrap(), "slept");
    assert_eq!(client.say("hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let config = GrpcConfig { max_connections: 1, ..grpc_config() };
    let server = start(config, GRACE).await;
    let first = server.client();
    assert_eq!(first.say("hello").await.unwrap(), "hello");
    let second = tokio::spawn({
        let client = server.client();
        async move { client.say("hello").await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn a_connection_that_never_finishes_the_preface_is_closed() {
    let config = GrpcConfig { handshake_timeout: Duration::from_millis(100), ..grpc_config() };
    let server = start(config, GRACE).await;
    for sent in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut stream = tokio::net::TcpStream::connect(server.grpc).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(said_before_the_end(&mut stream).await, b"", "{sent:?}");
    }
}

#[tokio::test]
async fn a_connection_that_speaks_something_else_is_closed_at_once() {
    let config = GrpcConfig { handshake_timeout: Duration::from_secs(3600), ..grpc_config() };
    let server = start(config, GRACE).await;
    for sent in ["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/1.1", "\0"] {
        let mut stream = tokio::net::TcpStream::connect(server.grpc).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(said_before_the_end(&mut stream).await, b"", "{sent:?}");
    }
}

#[tokio::test]
async fn a_preface_may_come_in_pieces() {
    let server = start(grpc_config(), GRACE).await;
    let mut stream = tokio::net::TcpStream::connect(server.grpc).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in ["P", "RI * HTTP/2.0\r\n\r\nS", "M\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // An empty SETTINGS frame: RFC 9113, 6.5.
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3..5], [4, 0], "the server's own SETTINGS");
}

/// What the server sends until it closes the connection, which it has to do soon.
async fn said_before_the_end(stream: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut said)).await;
    // A reset is an end as well: what was sent may be unread.
    let _ = read.expect("closed by the server");
    said
}

#[tokio::test]
async fn reflection_lists_what_is_served_in_both_its_versions() {
    let server = start(grpc_config(), GRACE).await;
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        echo::SERVICE,
    ];
    macro_rules! services {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new(server.client().channel);
            let answers = client.server_reflection_info(tokio_stream::once(request)).await;
            match answers.unwrap().into_inner().message().await.unwrap().unwrap().message_response {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                    names.sort();
                    names
                }
                other => panic!("{other:?}"),
            }
        }};
    }
    assert_eq!(services!(v1), expected);
    assert_eq!(services!(v1alpha), expected);
}

#[tokio::test]
async fn a_service_without_descriptors_and_a_port_that_is_taken_are_refused() {
    let drain = Drain::new(GRACE, Duration::ZERO);
    let metrics = Metrics::new(&fixture::BINARY);
    let admin = AdminConfig { listen: "127.0.0.1:0".parse().unwrap() };
    let server = Server::bind(&grpc_config(), &admin, &metrics, &drain).await.unwrap();
    let taken = GrpcConfig { listen: server.grpc_address().clone(), ..grpc_config() };
    let error = Server::bind(&taken, &admin, &metrics, &drain).await.unwrap_err();
    assert!(error.to_string().starts_with("grpc.listen 127.0.0.1:"), "{error}");
    let services = Services::default().with(echo::Echo { drain: drain.clone() });
    let error = server.serve(services).await.unwrap_err();
    assert!(matches!(error, ServerError::Undescribed(echo::SERVICE)), "{error}");
}

/// Waits for what another task is about to do.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "waited for 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
