//! One decision for each call.

use std::collections::BTreeSet;

use strata_tests::{requests, shared_cluster};
use strata_wire::{pb, pb::coordinator_client::CoordinatorClient};
use tonic::{Code, Status, transport::Channel};

type Client = CoordinatorClient<Channel>;

async fn decide(client: &Client, request: pb::DecideRequest) -> Result<pb::DecideResponse, Status> {
    client.clone().decide(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_answer_is_complete() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let answer = decide(&client, requests::decide_explained(7)).await.unwrap();
    assert_eq!(answer.correlation_id, "7");
    // UUID version 7, RFC 9562.
    assert_eq!((answer.decision_id.len(), answer.decision_id.as_bytes()[14]), (36, b'7'));
    assert!(answer.elapsed_us > 0);

    assert_placement_and_estimates(&answer);

    let layers: Vec<_> = answer.layers.iter().map(pb::LayerReport::layer).collect();
    assert_eq!(layers, [pb::Layer::Strategic, pb::Layer::Tactical, pb::Layer::Operational]);
    let scores: Vec<_> = answer.layers.iter().map(|layer| layer.scores.len()).collect();
    assert_eq!(scores, [3, 24, 0]);
    for layer in &answer.layers {
        let inference = layer.inference.as_ref().unwrap();
        assert!(inference.version >= 1 && inference.batch_size >= 1);
        assert_eq!(layer.freshness(), pb::Freshness::Fresh);
        assert!(layer.elapsed_us >= inference.run_us && layer.elapsed_us <= answer.elapsed_us);
    }
}

/// Checks the ranges of what was chosen, forecast and estimated.
fn assert_placement_and_estimates(answer: &pb::DecideResponse) {
    let placement = answer.placement.as_ref().unwrap();
    assert!(requests::PLATFORMS.contains(&placement.platform.as_str()));
    assert!(placement.platform.starts_with(&placement.provider) && !placement.region.is_empty());
    assert!([128, 256, 512, 1024, 2048, 3008].contains(&placement.memory_mb));
    let catalogue = answer.catalogue.as_ref().unwrap();
    assert_eq!((catalogue.name.as_str(), catalogue.revision.len()), ("research", 12));
    assert!(answer.unknown.is_empty() && answer.dominated.is_empty());

    let forecast = answer.forecast.unwrap();
    let estimate = answer.estimate.unwrap();
    let little = forecast.request_rate * estimate.latency_ms / 1000.0;
    assert!((forecast.concurrency - little).abs() < 1e-9);
    assert!(forecast.request_rate_upper.unwrap() >= forecast.request_rate);
    assert!((forecast.memory_util..=1.0).contains(&forecast.memory_util_upper.unwrap()));
    assert!((forecast.cpu_util..=1.0).contains(&forecast.cpu_util_upper.unwrap()));
    for estimate in [estimate, answer.current_estimate.unwrap()] {
        assert!(estimate.cost_usd > 0.0 && estimate.latency_ms > 0.0 && estimate.carbon_g > 0.0);
        assert!((0.0..=1.0).contains(&estimate.cold_start_probability));
        assert!((-2.0..=1.0).contains(&estimate.objective), "{estimate:?}");
    }
}

#[tokio::test]
async fn what_is_not_asked_for_is_left_out() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let request = pb::DecideRequest { current: None, ..requests::decide(1) };
    let answer = decide(&client, request).await.unwrap();
    assert_eq!(answer.current_estimate, None);
    assert!(answer.layers.iter().all(|layer| layer.scores.is_empty()));
}

#[tokio::test]
async fn every_decision_has_an_id_of_its_own() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let mut ids = BTreeSet::new();
    for _ in 0..50 {
        assert!(ids.insert(decide(&client, requests::decide(3)).await.unwrap().decision_id));
    }
}

#[tokio::test]
async fn the_same_request_is_decided_the_same_way() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let first = decide(&client, requests::decide(5)).await.unwrap();
    for _ in 0..20 {
        let again = decide(&client, requests::decide(5)).await.unwrap();
        let placed = |answer: &pb::DecideResponse| (answer.placement.clone(), answer.estimate);
        assert_eq!(placed(&again), placed(&first));
        // Rows of other tests may share a run, and ONNX Runtime adds in another order in a larger
        // batch.
        let values = |answer: &pb::DecideResponse| {
            let forecast = answer.forecast.unwrap();
            [forecast.request_rate, forecast.memory_util, forecast.cpu_util]
        };
        for (one, other) in values(&again).into_iter().zip(values(&first)) {
            assert!((one - other).abs() <= 1e-5 * other.abs(), "{one} {other}");
        }
    }
}

#[tokio::test]
async fn every_platform_region_and_memory_size_can_be_demanded() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let regions = [
        ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1"],
        ["eastus", "westus2", "northeurope", "southeastasia"],
        ["us-east4", "us-west1", "europe-west1", "asia-southeast1"],
    ];
    for (platform, regions) in requests::PLATFORMS.into_iter().zip(regions) {
        for region in regions {
            for memory in [256, 1024, 3008] {
                // Azure's consumption plan ends at 1536 MB.
                if memory == 3008 && platform.starts_with("azure") {
                    continue;
                }
                let request = with(pb::Constraints {
                    allowed_platforms: vec![platform.to_owned()],
                    allowed_regions: vec![region.to_owned()],
                    min_memory_mb: memory,
                    max_memory_mb: memory,
                    ..pb::Constraints::default()
                });
                let chosen = decide(&client, request).await.unwrap().placement.unwrap();
                assert_eq!(
                    (chosen.platform.as_str(), chosen.region.as_str(), chosen.memory_mb),
                    (platform, region, memory)
                );
            }
        }
    }
}

fn with(constraints: pb::Constraints) -> pb::DecideRequest {
    pb::DecideRequest { constraints: Some(constraints), ..requests::decide(1) }
}

#[tokio::test]
async fn limits_of_latency_and_cost_hold_for_the_estimate() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let everywhere = decide_everywhere(&client).await;
    let least = |of: fn(&pb::Estimate) -> f64| {
        everywhere.iter().map(of).min_by(f64::total_cmp).unwrap() * 1.001
    };
    let (latency, cost) = (least(|e| e.latency_ms), least(|e| e.cost_usd));
    let fast = pb::Constraints { latency_slo_ms: Some(latency), ..Default::default() };
    let cheap = pb::Constraints { cost_ceiling_usd: Some(cost), ..Default::default() };
    assert!(decide(&client, with(fast)).await.unwrap().estimate.unwrap().latency_ms <= latency);
    assert!(decide(&client, with(cheap)).await.unwrap().estimate.unwrap().cost_usd <= cost);
}

/// The estimates of all placements on AWS.
async fn decide_everywhere(client: &Client) -> Vec<pb::Estimate> {
    let mut estimates = Vec::new();
    for region in ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1"] {
        for memory in [128, 256, 512, 1024, 2048, 3008] {
            let request = with(pb::Constraints {
                allowed_providers: vec!["aws".to_owned()],
                allowed_regions: vec![region.to_owned()],
                min_memory_mb: memory,
                max_memory_mb: memory,
                ..pb::Constraints::default()
            });
            estimates.push(decide(client, request).await.unwrap().estimate.unwrap());
        }
    }
    estimates
}

#[tokio::test]
async fn constraints_that_leave_nothing_are_a_failed_precondition() {
    let cluster = shared_cluster();
    let client = cluster.client();
    for constraints in [
        pb::Constraints { latency_slo_ms: Some(0.001), ..Default::default() },
        pb::Constraints { cost_ceiling_usd: Some(1e-15), ..Default::default() },
        // No memory size lies between these two.
        pb::Constraints { min_memory_mb: 600, max_memory_mb: 1000, ..Default::default() },
    ] {
        let status = decide(&client, with(constraints)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert!(status.message().contains("relax"), "{status:?}");
    }
}

#[tokio::test]
async fn a_function_never_gets_less_memory_than_it_uses() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let mut request = requests::decide(1);
    request.workload.as_mut().unwrap().memory_mb = Some(700.0);
    let chosen = decide(&client, request).await.unwrap().placement.unwrap();
    assert!(chosen.memory_mb >= 1024, "{chosen:?}");
}

#[tokio::test]
async fn a_function_nobody_reported_on_is_not_found() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let request = pb::DecideRequest { telemetry: Vec::new(), ..requests::decide(1) };
    let status = decide(&client, request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("shop/checkout-1"), "{status:?}");
}

#[tokio::test]
async fn only_proportions_of_weights_count() {
    let cluster = shared_cluster();
    let client = cluster.client();
    let objective = async |cost, performance, carbon| {
        let weights = pb::ObjectiveWeights { cost, performance, carbon };
        let request = pb::DecideRequest { weights: Some(weights), ..requests::decide(1) };
        decide(&client, request).await.unwrap().estimate.unwrap().objective
    };
    let (small, large) = (objective(0.4, 0.4, 0.2).await, objective(40.0, 40.0, 20.0).await);
    assert!((small - large).abs() < 1e-12);
    assert_ne!(small, objective(1.0, 0.0, 0.0).await);
}

#[tokio::test]
async fn what_is_designed_and_not_served_yet_says_so() {
    let cluster = shared_cluster();
    let mut client = cluster.client();
    let samples = tokio_stream::iter([pb::TelemetrySample::default()]);
    let answers = [
        client.report_telemetry(samples).await.map(drop),
        client.report_outcome(pb::ReportOutcomeRequest::default()).await.map(drop),
        client.get_decision(pb::GetDecisionRequest::default()).await.map(drop),
        client.list_decisions(pb::ListDecisionsRequest::default()).await.map(drop),
        client.watch_decisions(pb::WatchDecisionsRequest::default()).await.map(drop),
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    }
}
