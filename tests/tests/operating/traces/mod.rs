//! Traces: the spans that all four processes export for a request, as an OTLP collector sees them.

mod collector;

use std::collections::BTreeMap;

use collector::{Collector, Span};
use rustix::process::Signal;
use strata_tests::{Cluster, free_ports, requests};
use strata_wire::pb;
use tonic::Request;

/// SPAN_KIND_SERVER of OTLP.
const SERVER: i32 = 2;
/// SPAN_KIND_CLIENT of OTLP.
const CLIENT: i32 = 3;

/// Each layer and the name of its span.
const SPANS: [(&str, &str); 3] = [
    ("strategic", "strategic.select"),
    ("tactical", "tactical.place"),
    ("operational", "operational.forecast"),
];

/// A cluster that asks each layer once for each decision.
fn traced(collector: &Collector, sampler: &str, ratio: &str) -> Cluster {
    speculating("off", collector, sampler, ratio)
}

fn speculating(speculation: &str, collector: &Collector, sampler: &str, ratio: &str) -> Cluster {
    Cluster::start_with(|spec| {
        let spec = spec
            .set("TELEMETRY_OTLP_ENDPOINT", collector.endpoint())
            .set("TELEMETRY_OTLP_SAMPLER", sampler)
            .set("TELEMETRY_OTLP_SAMPLER_RATIO", ratio);
        match spec.name() {
            "coordinator" => spec.set("REQUESTS_SPECULATION", speculation),
            _ => spec,
        }
    })
}

/// Stops all processes, which makes them export their last spans, and returns the spans of each
/// trace.
fn traces(mut cluster: Cluster, collector: &Collector) -> BTreeMap<String, Vec<Span>> {
    for process in [
        &mut cluster.coordinator,
        &mut cluster.strategic,
        &mut cluster.tactical,
        &mut cluster.operational,
    ] {
        process.signal(Signal::TERM);
        assert_eq!(process.wait().code(), Some(0));
    }
    let mut traces: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in collector.spans() {
        traces.entry(span.trace.clone()).or_default().push(span);
    }
    traces
}

/// The ids of the trace and of the span of a caller; different for each number.
fn caller(number: usize) -> (String, String) {
    (format!("{:032x}", 0xabc_0000 + number), format!("{:016x}", 0xdef_0000 + number))
}

fn traceparent(number: usize, sampled: bool) -> String {
    let (trace, span) = caller(number);
    format!("00-{trace}-{span}-{:02x}", u8::from(sampled))
}

fn request(number: usize, sampled: bool) -> Request<pb::DecideRequest> {
    let mut request = Request::new(requests::decide(number));
    let parent = traceparent(number, sampled).parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    request
}

/// Checks that a trace is whole: the decision under `parent`, a hop to each layer under the
/// decision, and the layer's own span under the hop.
fn assert_whole(spans: &[Span], parent: &str) {
    assert_eq!(spans.len(), 7, "{spans:#?}");
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [decision] = named("coordinator.decide")[..] else { panic!("{spans:#?}") };
    assert_eq!((decision.parent.as_str(), decision.kind), (parent, SERVER));
    assert_eq!(decision.service, "strata-coordinator");
    assert!(!decision.text("strata.decision.id").is_empty());
    let hops = named("coordinator.hop");
    assert_eq!(hops.len(), 3);
    for (layer, name) in SPANS {
        let hop = hops.iter().find(|hop| hop.text("strata.layer") == layer).unwrap();
        assert_eq!((hop.parent.as_str(), hop.kind), (decision.id.as_str(), CLIENT));
        assert_eq!(hop.service, "strata-coordinator");
        let [row] = named(name)[..] else { panic!("{spans:#?}") };
        assert_eq!((row.parent.as_str(), row.kind), (hop.id.as_str(), SERVER));
        assert_eq!(row.service, format!("strata-{layer}"));
        assert_eq!((row.text("strata.layer"), row.text("strata.model.name")), (layer, layer));
        assert!(row.number("strata.model.version") >= 1);
        assert!(row.number("strata.batch.size") >= 1);
        assert!(row.number("strata.run.time_us") >= 1);
        assert!(row.number("strata.queue.time_us") >= 0);
        for (outer, inner) in [(decision, *hop), (hop, row)] {
            assert!(outer.start_ns <= inner.start_ns && inner.end_ns <= outer.end_ns, "{spans:#?}");
        }
    }
    assert!(spans.iter().all(|span| !span.failed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_a_traceparent_is_one_trace_through_all_layers() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "traceidratio", "1.0");
    cluster.client().decide(request(1, true)).await.unwrap();
    let traces = traces(cluster, &collector);
    let (trace, span) = caller(1);
    assert_eq!(traces.keys().collect::<Vec<_>>(), [&trace]);
    assert_whole(&traces[&trace], &span);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_share_a_frame_keep_their_own_traces() {
    const CALLS: usize = 300;
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    let client = cluster.client();
    let calls = (0..CALLS).map(|number| {
        let mut client = client.clone();
        tokio::spawn(async move { client.decide(request(number, true)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    drop(client);
    let traces = traces(cluster, &collector);
    assert_eq!(traces.len(), CALLS);
    let mut largest = 0;
    for number in 0..CALLS {
        let (trace, span) = caller(number);
        assert_whole(&traces[&trace], &span);
        let rows = traces[&trace].iter().filter(|span| span.kind == SERVER);
        let sizes = rows.filter(|span| span.name != "coordinator.decide");
        largest = largest.max(sizes.map(|span| span.number("strata.batch.size")).max().unwrap());
    }
    assert!(largest > 1, "no two rows shared a frame: this test shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_stream_may_belong_to_different_traces() {
    const COUNT: usize = 50;
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    let requests = (0..COUNT).map(|number| pb::DecideRequest {
        // The last request has no context of its own and belongs to the trace of the call.
        traceparent: if number + 1 < COUNT { traceparent(number, true) } else { String::new() },
        ..requests::decide(number)
    });
    let mut call = Request::new(tokio_stream::iter(requests.collect::<Vec<_>>()));
    call.metadata_mut().insert("traceparent", traceparent(9999, true).parse().unwrap());
    let mut answers = cluster.client().decide_stream(call).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    drop(answers);
    let traces = traces(cluster, &collector);
    assert_eq!(traces.len(), COUNT);
    for number in (0..COUNT - 1).chain([9999]) {
        let (trace, span) = caller(number);
        assert_whole(&traces[&trace], &span);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracestate_is_passed_on_through_all_layers() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    let mut call = request(1, true);
    call.metadata_mut().insert("tracestate", "vendor=1".parse().unwrap());
    cluster.client().decide(call).await.unwrap();
    // A request of a stream carries it in a field, like the traceparent.
    let streamed = pb::DecideRequest {
        traceparent: traceparent(2, true),
        tracestate: "vendor=2".to_owned(),
        ..requests::decide(2)
    };
    let stream = tokio_stream::iter([streamed]);
    let mut answers = cluster.client().decide_stream(stream).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    drop(answers);
    let traces = traces(cluster, &collector);
    for number in [1, 2] {
        let spans = &traces[&caller(number).0];
        assert_whole(spans, &caller(number).1);
        let state = format!("vendor={number}");
        assert!(spans.iter().all(|span| span.state == state), "{spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_traceparent_begins_a_trace() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    cluster.client().decide(requests::decide(1)).await.unwrap();
    let traces = traces(cluster, &collector);
    assert_eq!(traces.len(), 1);
    assert_whole(traces.values().next().unwrap(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sampler_at_0_exports_nothing() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "traceidratio", "0.0");
    for number in 0..20 {
        cluster.client().decide(request(number, true)).await.unwrap();
    }
    assert!(traces(cluster, &collector).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_is_not_sampled_is_respected() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    cluster.client().decide(request(1, false)).await.unwrap();
    cluster.client().decide(request(2, true)).await.unwrap();
    let traces = traces(cluster, &collector);
    assert_eq!(traces.keys().collect::<Vec<_>>(), [&caller(2).0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fails_is_marked_in_its_trace() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    let mut bad = request(1, true);
    bad.get_mut().function = None;
    cluster.client().decide(bad).await.unwrap_err();
    let traces = traces(cluster, &collector);
    let [decision] = &traces[&caller(1).0][..] else { panic!("{traces:#?}") };
    assert!(decision.failed && decision.name == "coordinator.decide", "{decision:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_asked_on_its_own_is_traced_too() {
    let collector = Collector::start().await;
    let cluster = traced(&collector, "parentbased_always_on", "1.0");
    let mut question = Request::new(requests::select());
    question.metadata_mut().insert("traceparent", traceparent(5, true).parse().unwrap());
    cluster.strategic().select(question).await.unwrap();
    let traces = traces(cluster, &collector);
    let [row] = &traces[&caller(5).0][..] else { panic!("{traces:#?}") };
    assert_eq!((row.name.as_str(), &row.parent), ("strategic.select", &caller(5).1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_costs_no_decision() {
    let [port] = free_ports();
    let mut cluster = Cluster::start_with(|spec| {
        let nobody = format!("http://127.0.0.1:{port}");
        spec.set("TELEMETRY_OTLP_ENDPOINT", nobody).set("TELEMETRY_OTLP_DELAY", "50ms")
    });
    for number in 0..50 {
        cluster.client().decide(request(number, true)).await.unwrap();
    }
    cluster.coordinator.signal(Signal::TERM);
    assert_eq!(cluster.coordinator.wait().code(), Some(0));
    assert!(cluster.coordinator.log().contains("spans cannot be exported"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_names_what_was_asked_ahead() {
    const DECISIONS: usize = 8;
    let collector = Collector::start().await;
    let cluster = speculating("on", &collector, "always_on", "1.0");
    let mut client = cluster.client();
    for number in 0..DECISIONS {
        client.decide(request(number, true)).await.unwrap();
    }
    let wasted: f64 = ["tactical", "operational"]
        .map(|layer| {
            let labels = [("layer", layer), ("outcome", "wasted")];
            cluster.coordinator.metric("strata_coordinator_speculation_total", &labels)
        })
        .iter()
        .sum();
    let spans: Vec<_> = traces(cluster, &collector).into_values().flatten().collect();
    let hops: Vec<_> = spans.iter().filter(|span| span.name == "coordinator.hop").collect();
    // A layer that was asked with a wrong guess is asked once more.
    assert_eq!(hops.len(), 3 * DECISIONS + wasted as usize);
    let ahead = hops.iter().filter(|hop| hop.attributes.contains_key("strata.speculative"));
    assert_eq!(ahead.count(), 2 * DECISIONS);
}
