//! Traces of a whole process, as an OTLP collector in this one receives them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use fixture::{Client, child};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::{Request, Response, Status};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Collector(Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.try_send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Listens at `address`, and hands over what it is sent.
async fn collect(address: &str) -> (SocketAddr, Receiver<ExportTraceServiceRequest>) {
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, exports) = channel(64);
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(incoming),
    );
    (address, exports)
}

/// Batches are far from full and wait for ten minutes: only the flush at the end exports them.
fn traced(collector: SocketAddr, sampler: &[&str]) -> child::Echo {
    exporting(collector, "10m", sampler)
}

fn exporting(collector: SocketAddr, delay: &str, settings: &[&str]) -> child::Echo {
    let endpoint = format!("--telemetry-otlp-endpoint=http://{collector}");
    let delay = format!("--telemetry-otlp-delay={delay}");
    let args: Vec<&str> =
        [endpoint.as_str(), &delay].into_iter().chain(settings.iter().copied()).collect();
    child::Echo::start(&args)
}

async fn say(echo: &child::Echo, text: &str, parent: Option<&str>) -> String {
    let mut request = Request::new(text.to_owned());
    if let Some(parent) = parent {
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    }
    let answer = Client::new(echo.grpc).call(fixture::echo::SAY, request).await;
    answer.unwrap().into_inner()
}

/// Ends the process, which exports the rest, and takes everything the collector got.
fn finish(
    mut echo: child::Echo,
    exports: &mut Receiver<ExportTraceServiceRequest>,
) -> Vec<ExportTraceServiceRequest> {
    echo.signal("TERM");
    let status = tokio::task::block_in_place(|| echo.wait());
    assert_eq!(status.code(), Some(0), "{:#?}", echo.log);
    let warnings = echo.log.iter().filter(|line| line.contains("\"level\":\"WARN\"")).count();
    assert_eq!(warnings, 0, "{:#?}", echo.log);
    std::iter::from_fn(|| exports.try_recv().ok()).collect()
}

fn spans(exports: &[ExportTraceServiceRequest]) -> Vec<Span> {
    let resources = exports.iter().flat_map(|export| &export.resource_spans);
    resources.flat_map(|r| &r.scope_spans).flat_map(|s| s.spans.clone()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_a_traceparent_is_a_child_of_the_callers_span() {
    let (collector, mut exports) = collect("127.0.0.1:0").await;
    let echo = traced(collector, &[]);
    assert_eq!(say(&echo, "sleep:60", Some(PARENT)).await, "slept");
    let exports = finish(echo, &mut exports);
    let spans = spans(&exports);
    assert_eq!(spans.len(), 2, "only spans of requests are exported: {spans:#?}");
    let server = spans.iter().find(|span| span.name == "say").unwrap();
    let work = spans.iter().find(|span| span.name == "work").unwrap();
    assert_eq!(hex(&server.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&server.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(server.kind, SpanKind::Server as i32);
    assert_eq!((&work.trace_id, &work.parent_span_id), (&server.trace_id, &server.span_id));
    let length = work.end_time_unix_nano - work.start_time_unix_nano;
    assert!(length >= Duration::from_millis(60).as_nanos() as u64, "{length}");

    let attributes: Vec<&str> = server.attributes.iter().map(|a| a.key.as_str()).collect();
    assert_eq!(attributes, ["text.length"], "nothing nobody asked for");
    let length = server.attributes[0].value.as_ref().unwrap().value.clone();
    assert_eq!(length, Some(Value::IntValue(8)));

    let resource = exports[0].resource_spans[0].resource.as_ref().unwrap();
    let named = |key: &str| {
        let found = resource.attributes.iter().find(|attribute| attribute.key == key);
        match found.and_then(|a| a.value.clone()).and_then(|v| v.value) {
            Some(Value::StringValue(text)) => text,
            other => panic!("{key}: {other:?}"),
        }
    };
    assert_eq!(named("service.name"), "strata-echo");
    assert_eq!(named("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(named("service.instance.id").len(), 36);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_span_says_why_and_the_next_hop_is_told_of_this_one() {
    let (collector, mut exports) = collect("127.0.0.1:0").await;
    let echo = traced(collector, &["--telemetry-otlp-sampler=always_on"]);
    let next = say(&echo, "traceparent:", Some(PARENT)).await;
    let failing = Client::new(echo.grpc).say("nonsense:").await;
    assert!(failing.is_err());
    let spans = spans(&finish(echo, &mut exports));
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_eq!(next, format!("{}-{}-01", &PARENT[..35], hex(&spans[0].span_id)));
    let status = spans[1].status.as_ref().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "unknown order"));
    assert_ne!(spans[0].trace_id, spans[1].trace_id);
    assert!(spans[1].parent_span_id.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sampler_at_zero_exports_nothing_and_tells_the_next_hop() {
    for sampler in [
        ["--telemetry-otlp-sampler=traceidratio", "--telemetry-otlp-sampler-ratio=0"],
        ["--telemetry-otlp-sampler=always_off", "--telemetry-otlp-sampler-ratio=1"],
    ] {
        let (collector, mut exports) = collect("127.0.0.1:0").await;
        let echo = traced(collector, &sampler);
        let next = say(&echo, "traceparent:", Some(PARENT)).await;
        assert!(next.starts_with(&PARENT[..35]) && next.ends_with("-00"), "{next}");
        assert_eq!(spans(&finish(echo, &mut exports)).len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_choice_is_kept_by_default() {
    let (collector, mut exports) = collect("127.0.0.1:0").await;
    let echo = traced(collector, &[]);
    let dropped = PARENT.replace("-01", "-00");
    assert_eq!(say(&echo, "tracing:", Some(&dropped)).await, "true");
    assert_eq!(spans(&finish(echo, &mut exports)).len(), 0);

    let (collector, mut exports) = collect("127.0.0.1:0").await;
    let ratio = ["--telemetry-otlp-sampler=parentbased_traceidratio"];
    let zero = [ratio[0], "--telemetry-otlp-sampler-ratio=0"];
    let echo = traced(collector, &zero);
    say(&echo, "kept", Some(PARENT)).await;
    say(&echo, "without a choice", None).await;
    assert_eq!(spans(&finish(echo, &mut exports)).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_one_warning_and_no_call() {
    let (address, exports) = collect("127.0.0.1:0").await;
    drop(exports);
    // A port nobody listens at: taken once, and free again.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = listener.local_addr().unwrap();
    drop(listener);
    assert_ne!(away, address);
    let mut echo = exporting(away, "50ms", &["--telemetry-otlp-timeout=200ms"]);
    for _ in 0..10 {
        assert_eq!(say(&echo, "hello", None).await, "hello");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::task::block_in_place(|| echo.wait_for("spans cannot be exported"));
    let (_, mut exports) = collect(&away.to_string()).await;
    let mut answered = false;
    for _ in 0..100 {
        say(&echo, "hello again", None).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if exports.try_recv().is_ok() {
            answered = true;
            break;
        }
    }
    assert!(answered, "{:#?}", echo.log);
    echo.signal("TERM");
    let status = tokio::task::block_in_place(|| echo.wait());
    assert_eq!(status.code(), Some(0), "{:#?}", echo.log);
    let lines = |text: &str| echo.log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(lines("\"level\":\"WARN\""), 1, "{:#?}", echo.log);
    assert_eq!(lines("spans are exported again"), 1, "{:#?}", echo.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_costs_one_warning_and_no_call() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = ["--telemetry-otlp-timeout=200ms", "--telemetry-otlp-queue-size=512"];
    let mut echo = exporting(silent.local_addr().unwrap(), "50ms", &hangs);
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(say(&echo, "hello", None).await, "hello");
    }
    tokio::task::block_in_place(|| echo.wait_for("spans cannot be exported"));
    // Pings would end the connection after 15 s; the timeout of the export comes first.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    for _ in 0..3 {
        assert_eq!(say(&echo, "hello", None).await, "hello");
    }
    echo.signal("TERM");
    let status = tokio::task::block_in_place(|| echo.wait());
    assert_eq!(status.code(), Some(0), "{:#?}", echo.log);
    let lines = |text: &str| echo.log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(lines("spans cannot be exported"), 1, "{:#?}", echo.log);
}
