//! The answers of each layer to one question for each call.

use strata_tests::{requests, shared_cluster};
use strata_wire::pb;

#[tokio::test]
async fn the_strategic_layer_chooses_the_platform_of_the_highest_q_value() {
    let cluster = shared_cluster();
    let answer = cluster.strategic().select(requests::select()).await.unwrap().into_inner();
    assert_eq!(answer.q_values.len(), 3);
    let best = answer.q_values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(answer.platform, requests::PLATFORMS[best]);
    assert_eq!(answer.labels, requests::PLATFORMS);
    let inference = answer.inference.unwrap();
    assert_eq!((inference.model.as_str(), inference.version), ("strategic", 2));
    assert!(inference.batch_size >= 1 && inference.run_us > 0);
}

#[tokio::test]
async fn only_allowed_platforms_are_chosen() {
    let cluster = shared_cluster();
    let mut client = cluster.strategic();
    for mask in 1..=7u32 {
        let allowed = |index: usize| mask >> index & 1 == 1;
        let listed: Vec<_> = requests::PLATFORMS.iter().enumerate().collect();
        let listed: Vec<_> = listed.into_iter().map(|(i, name)| (*name, allowed(i))).collect();
        let answer = client.select(requests::select_among(&listed)).await.unwrap().into_inner();
        let chosen = requests::PLATFORMS.iter().position(|name| *name == answer.platform);
        assert!(allowed(chosen.unwrap()), "{mask:03b} gave {}", answer.platform);
    }
}

#[tokio::test]
async fn the_tactical_layer_chooses_the_placement_of_the_highest_logit() {
    let cluster = shared_cluster();
    let answer = cluster.tactical().place(requests::place()).await.unwrap().into_inner();
    assert_eq!(answer.logits.len(), 24);
    let best = answer.logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    let placement = answer.placement.unwrap();
    assert_eq!(answer.labels[best], format!("{}/{}", placement.region, placement.memory_mb));
    assert_eq!(placement.platform, "aws-lambda");
    assert!(answer.value.is_finite());
}

#[tokio::test]
async fn only_listed_placements_are_chosen() {
    let cluster = shared_cluster();
    let mut client = cluster.tactical();
    for region in ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1"] {
        for memory_mb in [128, 256, 512, 1024, 2048, 3008] {
            let question = requests::place_among(&[(region, memory_mb)]);
            let placement = client.place(question).await.unwrap().into_inner().placement.unwrap();
            assert_eq!((placement.region.as_str(), placement.memory_mb), (region, memory_mb));
        }
    }
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
