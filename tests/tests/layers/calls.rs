//! The answers of each layer to one question for each call.

use strata_tests::{requests, shared_cluster};
use strata_wire::pb;

#[tokio::test]
async fn the_strategic_layer_chooses_the_provider_of_the_highest_q_value() {
    let cluster = shared_cluster();
    let answer = cluster.strategic().select(requests::select()).await.unwrap().into_inner();
    assert_eq!(answer.q_values.len(), 3);
    let best = answer.q_values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(answer.provider, best as i32 + 1);
    let inference = answer.inference.unwrap();
    assert_eq!((inference.model.as_str(), inference.version), ("strategic", 2));
    assert!(inference.batch_size >= 1 && inference.run_us > 0);
}

#[tokio::test]
async fn provider_masks_are_respected() {
    let cluster = shared_cluster();
    let mut client = cluster.strategic();
    for mask in 1..=7u32 {
        let question = pb::SelectRequest { provider_mask: Some(mask), ..requests::select() };
        let provider = client.select(question).await.unwrap().into_inner().provider;
        assert_ne!(mask & (1 << (provider - 1)), 0, "mask {mask:03b} gave provider {provider}");
    }
}

#[tokio::test]
async fn the_tactical_layer_chooses_the_placement_of_the_highest_logit() {
    let cluster = shared_cluster();
    let answer = cluster.tactical().place(requests::place()).await.unwrap().into_inner();
    assert_eq!(answer.logits.len(), 24);
    let best = answer.logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    let placement = answer.placement.unwrap();
    assert_eq!(action(&placement), best as u32);
    assert_eq!(placement.provider(), pb::Provider::Aws);
    assert!(!placement.provider_region.is_empty());
    assert!(answer.value.is_finite());
}

#[tokio::test]
async fn action_masks_are_respected() {
    let cluster = shared_cluster();
    let mut client = cluster.tactical();
    for bit in 0..24 {
        let question = pb::PlaceRequest { action_mask: Some(1 << bit), ..requests::place() };
        let placement = client.place(question).await.unwrap().into_inner().placement.unwrap();
        assert_eq!(action(&placement), bit);
    }
}

/// Region times six plus memory tier, as the contract numbers actions.
fn action(placement: &pb::Placement) -> u32 {
    let tiers = [128, 256, 512, 1024, 2048, 3008];
    let tier = tiers.iter().position(|mb| *mb == placement.memory_mb).unwrap();
    (placement.region as u32 - 1) * 6 + tier as u32
}

#[tokio::test]
async fn the_operational_layer_forecasts_within_bounds() {
    let cluster = shared_cluster();
    let answer = cluster.operational().forecast(requests::forecast()).await.unwrap().into_inner();
    let forecast = answer.forecast.unwrap();
    assert!(forecast.request_rate.is_finite() && forecast.request_rate >= 0.0);
    for (used, left) in [
        (forecast.memory_util, forecast.memory_headroom),
        (forecast.cpu_util, forecast.cpu_headroom),
    ] {
        assert!((0.0..=1.0).contains(&used));
        assert!((used + left - 1.0).abs() < 1e-9);
    }
    assert_eq!(answer.inference.unwrap().model, "operational");
}

#[tokio::test]
async fn a_forecast_speaks_of_the_memory_size_it_is_for() {
    let cluster = shared_cluster();
    let mut client = cluster.operational();
    let mut of = async |observed_memory_mb, steps| {
        let question = pb::ForecastRequest { observed_memory_mb, steps, ..requests::forecast() };
        client.forecast(question).await.unwrap().into_inner().forecast.unwrap()
    };
    // Half the memory, twice the share of it: the same work, so the same forecast.
    let doubled = requests::steps().into_iter().map(|step| pb::TelemetryStep {
        memory_util: step.memory_util * 2.0,
        cpu_util: step.cpu_util * 2.0,
        ..step
    });
    let re_expressed = of(1024, requests::steps()).await;
    assert_eq!(re_expressed, of(0, doubled.collect()).await);
    assert_ne!(re_expressed, of(0, requests::steps()).await);
}

#[tokio::test]
async fn the_same_question_has_the_same_answer() {
    let cluster = shared_cluster();
    let mut client = cluster.tactical();
    let first = client.place(requests::place()).await.unwrap().into_inner();
    for _ in 0..20 {
        let again = client.place(requests::place()).await.unwrap().into_inner();
        assert_eq!((&again.placement, &again.logits), (&first.placement, &first.logits));
    }
}

#[tokio::test]
async fn scores_are_left_out_unless_asked_for() {
    let cluster = shared_cluster();
    let select = pb::SelectRequest { explain: false, ..requests::select() };
    let place = pb::PlaceRequest { explain: false, ..requests::place() };
    let selected = cluster.strategic().select(select).await.unwrap().into_inner();
    let placed = cluster.tactical().place(place).await.unwrap().into_inner();
    assert!(selected.q_values.is_empty() && placed.logits.is_empty());
    assert_eq!(placed.value, 0.0);
}
