//! Whole processes: exit codes, signals, logs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::time::{Duration, Instant};

use fixture::{Client, child};

#[test]
fn a_configuration_that_cannot_be_used_is_exit_code_2_and_one_line() {
    let (code, out, err) = child::output(&["--shutdown-grace", "soon"], &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("echo: shutdown.grace: ") && err.lines().count() == 1, "{err}");
    let (code, _, err) = child::output(&[], &[("STRATA_ECHO_GRPC_LISEN", "x")]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean STRATA_ECHO_GRPC_LISTEN?"), "{err}");
    let (code, _, err) = child::output(&["--no-such-flag"], &[]);
    assert_eq!(code, 2);
    assert!(err.contains("--no-such-flag"), "{err}");
}

#[test]
fn what_is_asked_for_is_printed_and_the_exit_code_is_0() {
    let (code, out, err) = child::output(&["--print-config", "--shutdown-grace", "3s"], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("grace: 3s"), "{out}");
    let (code, out, _) = child::output(&["--version"], &[]);
    assert_eq!((code, out.trim()), (0, concat!("echo ", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = child::output(&["--help"], &[]);
    assert_eq!(code, 0);
    assert!(out.contains("STRATA_ECHO_GRPC_LISTEN"), "{out}");
}

#[test]
fn a_port_that_is_taken_is_exit_code_1_with_the_reason_in_the_log() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--grpc-listen={}", taken.local_addr().unwrap());
    let (code, _, err) = child::output(&[&listen], &[]);
    assert_eq!(code, 1);
    // Not a terminal: the format is JSON.
    let line = err.lines().find(|line| line.contains("stopped by an error")).unwrap();
    assert!(line.starts_with('{') && line.contains("\"level\":\"ERROR\""), "{line}");
    assert!(line.contains("cannot be bound: Address already in use"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_signal_drains_a_call_in_progress_is_answered_and_the_exit_code_is_0() {
    for signal in ["TERM", "INT"] {
        let mut echo = child::Echo::start(&[]);
        let client = Client::new(echo.grpc);
        assert_eq!(client.say("warm").await.unwrap(), "warm");
        let call = tokio::spawn(async move { client.say("sleep:1500").await });
        in_flight(&echo).await;
        echo.signal(signal);
        echo.wait_for("\"message\":\"draining\"");
        assert_eq!(call.await.unwrap().unwrap(), "slept", "{signal}");
        let status = tokio::task::block_in_place(|| echo.wait());
        assert_eq!(status.code(), Some(0), "{signal}: {:#?}", echo.log);
        assert!(echo.log.iter().any(|line| line.contains("\"message\":\"stopped\"")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_second_signal_exits_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut echo = child::Echo::start(&["--shutdown-grace=10m"]);
        let client = Client::new(echo.grpc);
        let call = tokio::spawn(async move { client.say("sleep:600000").await });
        in_flight(&echo).await;
        echo.signal("TERM");
        echo.wait_for("\"message\":\"draining\"");
        let started = Instant::now();
        echo.signal(signal);
        let status = tokio::task::block_in_place(|| echo.wait());
        assert_eq!(status.code(), Some(code), "{:#?}", echo.log);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(call.await.unwrap().is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn work_that_outlives_the_budget_is_exit_code_1_within_it() {
    let mut echo = child::Echo::start(&["--shutdown-grace=1s"]);
    let client = Client::new(echo.grpc);
    let call = tokio::spawn(async move { client.say("sleep:600000").await });
    in_flight(&echo).await;
    let started = Instant::now();
    echo.signal("TERM");
    let status = tokio::task::block_in_place(|| echo.wait());
    assert_eq!(status.code(), Some(1), "{:#?}", echo.log);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(echo.log.iter().any(|line| line.contains("1 accepted requests unanswered")));
    assert!(call.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panic_is_one_line_of_the_log() {
    let mut echo = child::Echo::start(&[]);
    Client::new(echo.grpc).say("panic:").await.unwrap_err();
    let line = echo.wait_for("\"message\":\"panicked\"");
    assert_eq!(child::field(&line, "panic"), "ordered to panic");
    assert!(child::field(&line, "location").contains("echo.rs:"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn logs_made_in_a_request_carry_the_callers_trace_id() {
    let mut echo = child::Echo::start(&[]);
    let mut request = tonic::Request::new("hello".to_owned());
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    Client::new(echo.grpc).call(fixture::echo::SAY, request).await.unwrap();
    let line = echo.wait_for("\"message\":\"said\"");
    assert_eq!(child::field(&line, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_collector_spans_are_off_whatever_is_logged() {
    let mut echo = child::Echo::start(&["--telemetry-log-filter=trace"]);
    let mut request = tonic::Request::new("traceparent:".to_owned());
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let client = Client::new(echo.grpc);
    assert_eq!(client.say("tracing:").await.unwrap(), "false");
    let next = client.call(fixture::echo::SAY, request).await.unwrap();
    // No span of this process: the caller's own context goes on.
    assert_eq!(next.into_inner(), parent);
    echo.signal("TERM");
    assert_eq!(tokio::task::block_in_place(|| echo.wait()).code(), Some(0));
    assert!(echo.log.iter().any(|line| line.contains("\"level\":\"TRACE\"")));
}

/// Waits until the process has a call in progress.
async fn in_flight(echo: &child::Echo) {
    let started = Instant::now();
    while !fixture::get(echo.admin, "/metrics").await.1.contains("\ngrpc_server_in_flight 1\n") {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
