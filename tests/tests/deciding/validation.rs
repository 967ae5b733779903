//! Invalid requests: the coordinator names every field that is wrong.

use prost_types::Timestamp;
use strata_tests::{decide_bytes, requests, shared_cluster, violated_fields};
use strata_wire::pb;
use tonic::Code;

/// A change that makes a request invalid, and the field that the refusal must name.
type Case = (fn(&mut pb::DecideRequest), &'static str);

async fn each_is_refused<const N: usize>(cases: [Case; N]) {
    let cluster = shared_cluster();
    let mut client = cluster.client();
    for (spoil, field) in cases {
        let mut request = requests::decide(1);
        request.constraints = Some(pb::Constraints::default());
        request.weights = Some(pb::ObjectiveWeights { cost: 1.0, performance: 1.0, carbon: 1.0 });
        request.workload.as_mut().unwrap().application = Some(pb::ApplicationLoad::default());
        spoil(&mut request);
        let status = client.decide(request).await.expect_err(field);
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
        assert_eq!(violated_fields(&status), [field], "{status:?}");
        assert!(status.message().contains(field), "{status:?}");
    }
}

fn workload(request: &mut pb::DecideRequest) -> &mut pb::Workload {
    request.workload.as_mut().unwrap()
}

fn application(request: &mut pb::DecideRequest) -> &mut pb::ApplicationLoad {
    workload(request).application.as_mut().unwrap()
}

fn constraints(request: &mut pb::DecideRequest) -> &mut pb::Constraints {
    request.constraints.as_mut().unwrap()
}

fn weights(request: &mut pb::DecideRequest) -> &mut pb::ObjectiveWeights {
    request.weights.as_mut().unwrap()
}

fn current(request: &mut pb::DecideRequest) -> &mut pb::Placement {
    request.current.as_mut().unwrap()
}

#[tokio::test]
async fn names_and_times() {
    each_is_refused([
        (|r| r.correlation_id = "x".repeat(257), "correlation_id"),
        (|r| r.function = None, "function"),
        (|r| r.function.as_mut().unwrap().application.clear(), "function.application"),
        (|r| r.function.as_mut().unwrap().function = "y".repeat(257), "function.function"),
        (|r| r.function.as_mut().unwrap().function = "a\nb".to_owned(), "function.function"),
        (|r| r.at = Some(Timestamp { seconds: -1, nanos: 0 }), "at"),
        (|r| r.at = Some(Timestamp { seconds: i64::MAX, nanos: 0 }), "at"),
        (|r| r.at = Some(Timestamp { seconds: 0, nanos: -1 }), "at"),
        (|r| current(r).platform.clear(), "current.platform"),
        (|r| current(r).region.clear(), "current.region"),
        (|r| current(r).memory_mb = 0, "current.memory_mb"),
    ])
    .await;
}

#[tokio::test]
async fn load() {
    each_is_refused([
        (|r| r.workload = None, "workload"),
        (
            |r| workload(r).invocation_rate_per_minute = Some(f64::NAN),
            "workload.invocation_rate_per_minute",
        ),
        (|r| workload(r).inter_arrival_ms = Some(-1.0), "workload.inter_arrival_ms"),
        (|r| workload(r).avg_duration_ms = None, "workload.duration_ms"),
        (|r| workload(r).duration_ms = Some(0.0), "workload.duration_ms"),
        (|r| workload(r).duration_ms = Some(3_600_001.0), "workload.duration_ms"),
        (|r| workload(r).avg_duration_ms = Some(f64::INFINITY), "workload.avg_duration_ms"),
        (|r| workload(r).std_duration_ms = Some(-0.1), "workload.std_duration_ms"),
        (|r| workload(r).memory_mb = Some(0.0), "workload.memory_mb"),
        (|r| workload(r).memory_mb = Some(1_048_577.0), "workload.memory_mb"),
        (|r| workload(r).avg_cost_usd = Some(f64::NEG_INFINITY), "workload.avg_cost_usd"),
        (|r| workload(r).avg_carbon_g = Some(f64::NAN), "workload.avg_carbon_g"),
        (|r| workload(r).cold_start_rate = Some(1.0001), "workload.cold_start_rate"),
        (|r| workload(r).home = area("atlantis"), "workload.home.area"),
        (|r| workload(r).data_provider = "ovh".to_owned(), "workload.data_provider"),
        (|r| workload(r).request_bytes = Some(1e10), "workload.request_bytes"),
        (|r| workload(r).response_bytes = Some(-1.0), "workload.response_bytes"),
        (|r| application(r).cold_start_rate = Some(-0.5), "workload.application.cold_start_rate"),
        (
            |r| application(r).sla_violation_rate = Some(7.0),
            "workload.application.sla_violation_rate",
        ),
        (
            |r| application(r).avg_invocation_rate_per_minute = Some(f64::NAN),
            "workload.application.avg_invocation_rate_per_minute",
        ),
    ])
    .await;
}

#[tokio::test]
async fn telemetry() {
    each_is_refused([
        (|r| r.telemetry.truncate(11), "telemetry"),
        (|r| r.telemetry.push(pb::TelemetryStep::default()), "telemetry"),
        (|r| r.telemetry[0].request_rate = f64::NAN, "telemetry[0].request_rate"),
        (|r| r.telemetry[2].request_rate = 1_000_001.0, "telemetry[2].request_rate"),
        (|r| r.telemetry[11].memory_util = 1.5, "telemetry[11].memory_util"),
        (|r| r.telemetry[6].cpu_util = -0.01, "telemetry[6].cpu_util"),
        (|r| r.telemetry[1].queue_depth = f64::INFINITY, "telemetry[1].queue_depth"),
    ])
    .await;
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn area(name: &str) -> Option<pb::Home> {
    Some(pb::Home { place: Some(pb::home::Place::Area(name.to_owned())) })
}

#[tokio::test]
async fn wishes() {
    each_is_refused([
        (
            |r| constraints(r).allowed_platforms = names(&["aws-lamda"]),
            "constraints.allowed_platforms[0]",
        ),
        (
            |r| constraints(r).allowed_providers = names(&["aws", "ovh"]),
            "constraints.allowed_providers[1]",
        ),
        (
            |r| constraints(r).allowed_regions = names(&["eastus", "us-east-1", "x"]),
            "constraints.allowed_regions[2]",
        ),
        (
            |r| constraints(r).allowed_residency = names(&["MARS"]),
            "constraints.allowed_residency[0]",
        ),
        (
            |r| constraints(r).allowed_architectures = names(&["mips"]),
            "constraints.allowed_architectures[0]",
        ),
        (|r| constraints(r).min_memory_mb = u32::MAX, "constraints.min_memory_mb"),
        (
            |r| (constraints(r).min_memory_mb, constraints(r).max_memory_mb) = (1024, 512),
            "constraints.max_memory_mb",
        ),
        (|r| constraints(r).latency_slo_ms = Some(0.0), "constraints.latency_slo_ms"),
        (|r| constraints(r).latency_slo_ms = Some(f64::NAN), "constraints.latency_slo_ms"),
        (|r| constraints(r).cost_ceiling_usd = Some(-1.0), "constraints.cost_ceiling_usd"),
        (|r| weights(r).cost = f64::NAN, "weights"),
        (|r| weights(r).carbon = -1.0, "weights"),
        (|r| *weights(r) = pb::ObjectiveWeights::default(), "weights"),
        (|r| weights(r).performance = f64::INFINITY, "weights"),
    ])
    .await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_at_once() {
    let mut request = requests::decide(1);
    request.function = None;
    request.telemetry[2].cpu_util = 9.0;
    workload(&mut request).memory_mb = Some(-1.0);
    let cluster = shared_cluster();
    let status = cluster.client().decide(request).await.unwrap_err();
    let mut fields = violated_fields(&status);
    fields.sort();
    assert_eq!(fields, ["function", "telemetry[2].cpu_util", "workload.memory_mb"]);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_cost_nothing() {
    let cluster = shared_cluster();
    let not_utf8 = decide_bytes(&cluster.coordinator, vec![0xff, 0xfe]).await.unwrap_err();
    // gRPC servers answer INTERNAL when they cannot decode a message.
    assert_eq!(not_utf8.code(), Code::Internal, "{not_utf8:?}");
    for bytes in [65 << 10, 5 << 20] {
        let huge = decide_bytes(&cluster.coordinator, vec![b'x'; bytes]).await.unwrap_err();
        assert_eq!(huge.code(), Code::OutOfRange, "{huge:?}");
    }
    cluster.client().decide(requests::decide(1)).await.unwrap();
}
