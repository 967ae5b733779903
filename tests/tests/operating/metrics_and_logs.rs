//! What metrics count, and what logs say.

use strata_tests::{Cluster, LAYERS, eventually, metric, requests};
use strata_wire::pb;

const GOOD: usize = 37;
const BAD: usize = 5;
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Sends `GOOD` valid requests and `BAD` invalid ones, one after the other.
async fn work(cluster: &Cluster) {
    let mut client = cluster.client();
    for number in 0..GOOD {
        client.decide(requests::decide(number)).await.unwrap();
    }
    for number in 0..BAD {
        let request = pb::DecideRequest { function: None, ..requests::decide(number) };
        client.decide(request).await.unwrap_err();
    }
}

#[tokio::test]
async fn the_coordinator_counts_calls_decisions_and_hops() {
    let cluster = Cluster::start();
    work(&cluster).await;
    let decide = ("grpc_method", "Decide");
    let (good, bad) = (GOOD as f64, BAD as f64);
    // A call is counted when its last frame was sent, which may be after the caller has read it.
    let page = eventually("the last call to be counted", || {
        let page = cluster.coordinator.metrics();
        let counted = metric(&page, "grpc_server_handling_seconds_count", &[decide]);
        (counted == good + bad).then_some(page)
    });
    let of = |name: &str, labels: &[(&str, &str)]| metric(&page, name, labels);
    assert_eq!(of("grpc_server_started_total", &[decide]), good + bad);
    let handled = "grpc_server_handled_total";
    assert_eq!(of(handled, &[decide, ("grpc_code", "OK")]), good);
    assert_eq!(of(handled, &[decide, ("grpc_code", "InvalidArgument")]), bad);
    let decisions = "strata_coordinator_decisions_total";
    assert_eq!(of(decisions, &[("code", "OK")]), good);
    assert_eq!(of(decisions, &[("code", "INVALID_ARGUMENT")]), bad);
    assert_eq!(of("strata_coordinator_decision_seconds_count", &[]), good + bad);
    for layer in LAYERS {
        let layer = ("layer", layer);
        assert_eq!(of("strata_coordinator_hop_seconds_count", &[layer]), good);
        assert!(of("strata_coordinator_hop_seconds_sum", &[layer]) > 0.0);
        assert_eq!(of("strata_coordinator_layer_links", &[layer]), 1.0);
        assert_eq!(of("strata_coordinator_queue_rows", &[layer]), 0.0);
    }
    assert!(of("process_resident_memory_bytes", &[]) > 1e6);
    assert_eq!(of("strata_build_info", &[("binary", "coordinator")]), 1.0);
}

#[tokio::test]
async fn layers_count_rows_batches_and_time() {
    // A wrong guess would be a row more.
    let cluster =
        Cluster::start_with_service("coordinator", |spec| spec.set("REQUESTS_SPECULATION", "off"));
    work(&cluster).await;
    let refused = cluster.strategic().select(pb::SelectRequest::default()).await;
    refused.unwrap_err();
    let good = GOOD as f64;
    for process in cluster.layers() {
        let page = process.metrics();
        let of = |name: &str| metric(&page, name, &[]);
        let strategic = process.spec().name() == "strategic";
        assert_eq!(of("strata_layer_rows_answered_total"), good + f64::from(u8::from(strategic)));
        if strategic {
            let faults =
                metric(&page, "strata_layer_row_faults_total", &[("code", "INVALID_ARGUMENT")]);
            assert_eq!(faults, 1.0);
        }
        // There is one caller with one call at a time, so every batch has one row.
        assert_eq!(
            (of("strata_layer_batch_rows_count"), of("strata_layer_batch_rows_sum")),
            (good, good)
        );
        assert_eq!(of("strata_layer_inference_seconds_count"), good);
        assert_eq!(of("strata_layer_queue_seconds_count"), good);
        assert!(of("strata_layer_inference_seconds_sum") > 0.0);
        assert_eq!(of("strata_layer_queue_rows"), 0.0);
    }
}

#[tokio::test]
async fn latency_has_buckets_below_a_millisecond() {
    let cluster = Cluster::start();
    work(&cluster).await;
    for (process, name) in [
        (&cluster.coordinator, "grpc_server_handling_seconds_bucket"),
        (&cluster.coordinator, "strata_coordinator_decision_seconds_bucket"),
        (&cluster.coordinator, "strata_coordinator_hop_seconds_bucket"),
        (&cluster.operational, "strata_layer_inference_seconds_bucket"),
    ] {
        let page = process.metrics();
        let bounds = page
            .lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.split("le=\"").nth(1)?.split('"').next()?.parse::<f64>().ok());
        let mut small: Vec<f64> = bounds.filter(|bound| *bound < 1e-3).collect();
        small.sort_by(f64::total_cmp);
        small.dedup();
        assert!(small.len() >= 3, "{name}: {small:?}");
    }
}

#[tokio::test]
async fn a_page_of_metrics_is_open_metrics_with_help() {
    let cluster = Cluster::start();
    for process in cluster.processes() {
        let page = process.metrics();
        assert!(page.ends_with("# EOF\n"));
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let series = line.split(['{', ' ']).next().unwrap();
            let helped = page.lines().filter_map(|line| line.strip_prefix("# HELP "));
            let mut names = helped.filter_map(|line| line.split(' ').next());
            assert!(names.any(|name| series.starts_with(name)), "{series} has no help");
        }
    }
}

#[tokio::test]
async fn logs_are_json_and_carry_the_trace_id() {
    let cluster = Cluster::start_with(|spec| spec.set("TELEMETRY_LOG_FILTER", "debug"));
    let mut request = tonic::Request::new(requests::decide(1));
    let parent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    cluster.client().decide(request).await.unwrap();
    let bad = pb::DecideRequest { function: None, ..requests::decide(2) };
    let mut request = tonic::Request::new(bad);
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    cluster.client().decide(request).await.unwrap_err();

    let log = cluster.coordinator.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of_the_trace = lines.iter().filter(|line| line["trace_id"] == TRACE_ID);
    let messages: Vec<_> = of_the_trace.map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["decided", "not decided"], "{log}");
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
    for process in cluster.layers() {
        let log = process.log();
        assert!(log.lines().count() > 2);
        log.lines()
            .for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).expect(line)));
    }
}
