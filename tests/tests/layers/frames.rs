//! Frames of many rows on a stream to each layer.

use std::collections::BTreeMap;

use strata_tests::{requests, shared_cluster, violated_fields};
use strata_wire::{pb, pb::select_row_result::Result as Row};
use tonic::{Code, Status};

fn row(request: pb::SelectRequest) -> pb::SelectRow {
    pb::SelectRow { request: Some(request), ..pb::SelectRow::default() }
}

/// Rows that differ: row `i` lists only the platform with the index `i % 3`.
fn rows(count: usize) -> Vec<pb::SelectRow> {
    let only = |i: usize| requests::select_among(&[(requests::PLATFORMS[i % 3], true)]);
    (0..count).map(|i| row(only(i))).collect()
}

/// Sends the frames on one stream. Returns the rows of the answers by frame, and how the stream
/// ended.
async fn exchange(frames: Vec<pb::SelectFrame>) -> (BTreeMap<u64, Vec<Row>>, Result<(), Status>) {
    let cluster = shared_cluster();
    let mut client = cluster.strategic();
    let mut answered = BTreeMap::new();
    let stream = client.select_stream(tokio_stream::iter(frames)).await;
    let mut results = match stream {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (answered, Err(status)),
    };
    loop {
        match results.message().await {
            Ok(Some(frame)) => {
                let rows = frame.rows.into_iter().map(|row| row.result.unwrap()).collect();
                assert!(answered.insert(frame.frame_id, rows).is_none(), "answered twice");
            }
            Ok(None) => return (answered, Ok(())),
            Err(status) => return (answered, Err(status)),
        }
    }
}

fn response(row: &Row) -> &pb::SelectResponse {
    match row {
        Row::Response(response) => response,
        Row::Fault(fault) => panic!("a fault: {fault:?}"),
    }
}

fn fault(row: &Row) -> &pb::Fault {
    match row {
        Row::Fault(fault) => fault,
        Row::Response(response) => panic!("no fault: {response:?}"),
    }
}

#[tokio::test]
async fn every_frame_is_answered_with_as_many_rows_in_their_order() {
    let sizes = [1, 7, 64, 1024];
    let frames = sizes
        .map(|rows_in| pb::SelectFrame { frame_id: 100 + rows_in as u64, rows: rows(rows_in) });
    let (answered, end) = exchange(frames.to_vec()).await;
    end.unwrap();
    assert_eq!(answered.len(), sizes.len());
    for size in sizes {
        let rows = &answered[&(100 + size as u64)];
        assert_eq!(rows.len(), size);
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(response(row).platform, requests::PLATFORMS[i % 3], "row {i} of {size}");
        }
    }
}

#[tokio::test]
async fn many_frames_may_be_in_flight() {
    let frames = (1..=300).map(|id| pb::SelectFrame { frame_id: id, rows: rows(3) });
    let (answered, end) = exchange(frames.collect()).await;
    end.unwrap();
    assert_eq!(answered.len(), 300);
    assert!(answered.values().flatten().all(|row| matches!(row, Row::Response(_))));
}

#[tokio::test]
async fn bad_rows_cost_the_others_nothing() {
    let mut frame = pb::SelectFrame { frame_id: 1, rows: rows(9) };
    frame.rows[2].request = None;
    frame.rows[4].request.as_mut().unwrap().facts.as_mut().unwrap().duration_ms = f64::NAN;
    let candidates = frame.rows[8].request.as_mut().unwrap().candidates.as_mut().unwrap();
    candidates.platforms.clear();
    let (answered, end) =
        exchange(vec![frame, pb::SelectFrame { frame_id: 2, rows: rows(1) }]).await;
    end.unwrap();
    let bad = [(2, "request"), (4, "facts.duration_ms"), (8, "candidates.platforms")];
    for (i, row) in answered[&1].iter().enumerate() {
        match bad.iter().find(|(bad, _)| *bad == i) {
            None => assert_eq!(response(row).platform, requests::PLATFORMS[i % 3]),
            Some((_, field)) => {
                let fault = fault(row);
                assert_eq!(fault.kind(), pb::FaultKind::InvalidArgument);
                assert_eq!(fault.violations[0].field, *field);
            }
        }
    }
    response(&answered[&2][0]);
}

#[tokio::test]
async fn a_frame_of_nothing_but_bad_rows_is_answered() {
    let rows = vec![pb::SelectRow::default(); 5];
    let (answered, end) = exchange(vec![pb::SelectFrame { frame_id: 1, rows }]).await;
    end.unwrap();
    assert_eq!(answered[&1].len(), 5);
    answered[&1]
        .iter()
        .for_each(|row| assert_eq!(fault(row).kind(), pb::FaultKind::InvalidArgument));
}

#[tokio::test]
async fn empty_and_overlong_frames_are_refused() {
    for count in [0, 1025] {
        let (answered, end) =
            exchange(vec![pb::SelectFrame { frame_id: 1, rows: rows(count) }]).await;
        let status = end.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{count} rows: {status:?}");
        assert_eq!(violated_fields(&status), ["rows"]);
        assert!(answered.is_empty());
    }
}

/// An empty row takes two bytes on the wire and almost a kilobyte in memory.
#[tokio::test]
async fn a_frame_of_countless_empty_rows_is_refused_before_it_is_decoded() {
    let rows = vec![pb::SelectRow::default(); 100_000];
    let (answered, end) = exchange(vec![pb::SelectFrame { frame_id: 1, rows }]).await;
    let status = end.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    // The check after decoding would name the number of rows instead.
    assert_eq!(status.message(), "a message must have at most 4096 fields");
    assert!(answered.is_empty());
}

#[tokio::test]
async fn a_row_whose_time_is_spent_is_not_run() {
    let mut frame = pb::SelectFrame { frame_id: 1, rows: rows(512) };
    // Reading 512 rows takes longer than a microsecond.
    frame.rows[511].budget_us = 1;
    frame.rows[510].budget_us = 60_000_000;
    let (answered, end) = exchange(vec![frame]).await;
    end.unwrap();
    let rows = &answered[&1];
    assert_eq!(fault(&rows[511]).kind(), pb::FaultKind::DeadlineExceeded);
    rows[..511].iter().for_each(|row| assert!(!response(row).platform.is_empty()));
}

#[tokio::test]
async fn the_tactical_layer_answers_frames() {
    let cluster = shared_cluster();
    let mut client = cluster.tactical();
    let regions = ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1"];
    let mut rows: Vec<_> = (0..24)
        .map(|i| pb::PlaceRow {
            request: Some(requests::place_among(&[(regions[i / 6], 512)])),
            ..pb::PlaceRow::default()
        })
        .collect();
    rows.push(pb::PlaceRow::default());
    let frame = pb::PlaceFrame { frame_id: 5, rows };
    let mut results = client.place_stream(tokio_stream::iter([frame])).await.unwrap().into_inner();
    let answer = results.message().await.unwrap().unwrap();
    assert_eq!((answer.frame_id, answer.rows.len(), answer.draining), (5, 25, false));
    for (bit, row) in answer.rows.iter().enumerate() {
        match row.result.as_ref().unwrap() {
            pb::place_row_result::Result::Response(response) => {
                let region = &response.placement.as_ref().unwrap().region;
                assert_eq!(region, regions[bit / 6]);
            }
            pb::place_row_result::Result::Fault(fault) => {
                assert_eq!((bit, fault.kind()), (24, pb::FaultKind::InvalidArgument));
            }
        }
    }
    assert_eq!(results.message().await.unwrap(), None);
}

#[tokio::test]
async fn the_operational_layer_answers_frames() {
    let cluster = shared_cluster();
    let mut client = cluster.operational();
    let mut rows =
        vec![
            pb::ForecastRow { request: Some(requests::forecast()), ..pb::ForecastRow::default() };
            64
        ];
    rows[7].request.as_mut().unwrap().steps.pop();
    let frame = pb::ForecastFrame { frame_id: 6, rows };
    let mut results =
        client.forecast_stream(tokio_stream::iter([frame])).await.unwrap().into_inner();
    let answer = results.message().await.unwrap().unwrap();
    assert_eq!((answer.frame_id, answer.rows.len()), (6, 64));
    for (i, row) in answer.rows.iter().enumerate() {
        match row.result.as_ref().unwrap() {
            pb::forecast_row_result::Result::Response(response) => {
                assert!(response.forecast.as_ref().unwrap().request_rate >= 0.0);
                assert!(response.inference.as_ref().unwrap().batch_size > 1);
            }
            pb::forecast_row_result::Result::Fault(fault) => {
                assert_eq!((i, fault.violations[0].field.as_str()), (7, "steps"));
            }
        }
    }
}
