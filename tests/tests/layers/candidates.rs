//! Version 3 of the placing models, which scores whatever candidates a request lists.

use strata_tests::{Cluster, requests};
use strata_wire::pb;

fn world() -> Cluster {
    Cluster::start_with(|spec| spec.on_catalogue("world"))
}

/// A request with `count` candidates, whose values depend on `seed`, in the order of `order`.
fn place(seed: usize, order: &[usize]) -> pb::PlaceRequest {
    let value = |index: usize| ((index * 7919 + seed * 104_729) % 1009) as f32 / 1009.0;
    let known = |index: &usize| {
        let number = |column: usize| value(index + column);
        (0..requests::VALUES).map(number).collect::<Vec<_>>()
    };
    let table = pb::CandidateTable {
        allowed: order.iter().map(|index| !(index + seed).is_multiple_of(5)).collect(),
        values: order.iter().flat_map(known).collect(),
    };
    let candidates = pb::PlacementCandidates {
        regions: order.iter().map(|index| format!("region-{index}")).collect(),
        region: (0..order.len() as u32).collect(),
        memory_mb: order.iter().map(|index| 128 + *index as u32).collect(),
        table: Some(table),
    };
    pb::PlaceRequest {
        platform: "somewhere".to_owned(),
        candidates: Some(candidates.into()),
        ..requests::place()
    }
}

/// A reproducible order of `count` things.
fn shuffled(count: usize, seed: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| (index * 48_271 + seed * 16_807 + 11) % 2_147_483_647 % 10_007);
    order
}

#[tokio::test]
async fn the_order_of_the_candidates_does_not_change_the_choice() {
    let cluster = world();
    let rows = |shuffle: bool| -> Vec<pb::PlaceRow> {
        let row = |case: usize| {
            let count = 2 + case * 5 % 60;
            let order = if shuffle { shuffled(count, case) } else { (0..count).collect() };
            pb::PlaceRow { request: Some(place(case, &order)), ..Default::default() }
        };
        (0..200).map(row).collect()
    };
    let frames = [false, true]
        .map(|shuffle| pb::PlaceFrame { frame_id: 1 + u64::from(shuffle), rows: rows(shuffle) });
    let mut client = cluster.tactical();
    let stream = client.place_stream(tokio_stream::iter(frames)).await.unwrap();
    let mut answers = stream.into_inner();
    let mut chosen = [Vec::new(), Vec::new()];
    while let Some(answer) = answers.message().await.unwrap() {
        let of_frame = &mut chosen[answer.frame_id as usize - 1];
        of_frame.extend(answer.rows.into_iter().map(|row| match row.result {
            Some(pb::place_row_result::Result::Response(response)) => response.placement.unwrap(),
            other => panic!("no placement: {other:?}"),
        }));
    }
    assert_eq!(chosen[0].len(), 200);
    assert_eq!(chosen[0], chosen[1]);
}

#[tokio::test]
async fn without_a_list_the_whole_catalogue_is_scored() {
    let cluster = world();
    let selected = cluster.strategic().select(requests::select()).await.unwrap().into_inner();
    let platforms =
        ["aws-lambda", "aws-lambda-arm64", "azure-functions-flex", "gcp-cloud-run-functions"];
    assert_eq!(selected.labels, platforms);
    assert_eq!(selected.q_values.len(), 4);
    let placed = cluster.tactical().place(requests::place()).await.unwrap().into_inner();
    assert_eq!((placed.labels.len(), placed.logits.len()), (17 * 11, 17 * 11));
    let inference = placed.inference.unwrap();
    assert_eq!((inference.version, inference.policy.as_str()), (3, "formula"));
}

#[tokio::test]
async fn a_version_for_the_research_catalogue_is_refused_on_another() {
    let cluster = world();
    let mut models = pb::models_client::ModelsClient::new(cluster.strategic.channel());
    let refused =
        models.load(pb::LoadModelRequest { version: 2, ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    let text = refused.message();
    assert!(text.contains("research") && text.contains("world"), "{text}");
}
