//! Decisions on streams with many requests in flight.

use std::collections::{BTreeMap, BTreeSet};

use strata_tests::{requests, shared_cluster};
use strata_wire::{pb, pb::decide_stream_response::Result as Answer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Sends the requests, with at most `in_flight` of them unanswered, and returns the answers by
/// correlation id.
async fn exchange(
    requests: Vec<pb::DecideRequest>,
    in_flight: usize,
) -> BTreeMap<String, Vec<Answer>> {
    let cluster = shared_cluster();
    let (sender, receiver) = mpsc::channel(in_flight);
    let mut requests = requests.into_iter();
    for request in requests.by_ref().take(in_flight) {
        sender.try_send(request).unwrap();
    }
    let mut sender = Some(sender);
    let stream = cluster.client().decide_stream(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = stream.into_inner();
    let mut answered: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    while let Some(answer) = answers.message().await.unwrap() {
        answered.entry(answer.correlation_id).or_default().push(answer.result.unwrap());
        match (requests.next(), &sender) {
            (Some(request), Some(sender)) => sender.send(request).await.unwrap(),
            // Without a sender the stream ends when everything is answered.
            _ => sender = None,
        }
    }
    answered
}

#[tokio::test]
async fn every_request_is_answered_once_under_its_own_id() {
    let answered = exchange((0..3000).map(requests::decide).collect(), 256).await;
    let expected: BTreeSet<String> = (0..3000).map(|number: usize| number.to_string()).collect();
    assert_eq!(answered.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let mut ids = BTreeSet::new();
    for (correlation_id, answers) in answered {
        let [Answer::Decision(decision)] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!(decision.correlation_id, correlation_id);
        assert!(ids.insert(decision.decision_id.clone()));
    }
}

#[tokio::test]
async fn bad_requests_in_between_are_faults_and_cost_the_others_nothing() {
    let request = |number: usize| {
        let mut request = requests::decide(number);
        match number % 10 {
            3 => request.telemetry[4].cpu_util = f64::NAN,
            5 => request.telemetry.clear(),
            7 => {
                let impossible = Some(1e-9);
                let constraints =
                    pb::Constraints { latency_slo_ms: impossible, ..Default::default() };
                request.constraints = Some(constraints);
            }
            _ => {}
        }
        request
    };
    let answered = exchange((0..1000).map(request).collect(), 256).await;
    assert_eq!(answered.len(), 1000);
    for (correlation_id, answers) in answered {
        let [answer] = answers.as_slice() else { panic!("{answers:?}") };
        let fault = match answer {
            Answer::Decision(_) => None,
            Answer::Fault(fault) => Some(fault),
        };
        let expected = match correlation_id.parse::<usize>().unwrap() % 10 {
            3 => Some(pb::FaultKind::InvalidArgument),
            5 => Some(pb::FaultKind::NotFound),
            7 => Some(pb::FaultKind::FailedPrecondition),
            _ => None,
        };
        assert_eq!(fault.map(pb::Fault::kind), expected, "{answer:?}");
        if expected == Some(pb::FaultKind::InvalidArgument) {
            assert_eq!(fault.unwrap().violations[0].field, "telemetry[4].cpu_util");
        }
    }
}

#[tokio::test]
async fn a_stream_decides_as_a_call_does() {
    let cluster = shared_cluster();
    let answered = exchange((0..50).map(requests::decide).collect(), 50).await;
    let mut client = cluster.client();
    for number in 0..50 {
        let alone = client.decide(requests::decide(number)).await.unwrap().into_inner();
        let Answer::Decision(streamed) = &answered[&number.to_string()][0] else { panic!() };
        assert_eq!(streamed.placement, alone.placement);
        assert_eq!(streamed.estimate, alone.estimate);
        let (forecast, other) = (streamed.forecast.unwrap(), alone.forecast.unwrap());
        // ONNX Runtime adds in another order in a larger batch.
        assert!(
            (forecast.request_rate - other.request_rate).abs() < 1e-4 * (1.0 + other.request_rate)
        );
    }
}

#[tokio::test]
async fn requests_of_many_streams_travel_in_frames_together() {
    let exchanges = (0..8).map(|stream| {
        tokio::spawn(exchange((0..500).map(|i| requests::decide(stream * 1000 + i)).collect(), 64))
    });
    let mut largest = 0;
    for exchange in exchanges.collect::<Vec<_>>() {
        let answered = exchange.await.unwrap();
        assert_eq!(answered.len(), 500);
        for answer in answered.into_values().flatten() {
            let Answer::Decision(decision) = answer else { panic!("{answer:?}") };
            let batches = decision.layers.iter().map(|l| l.inference.as_ref().unwrap().batch_size);
            largest = largest.max(batches.max().unwrap());
        }
    }
    assert!(largest > 8, "no batch was larger than {largest}");
}

#[tokio::test]
async fn an_empty_stream_ends_at_once() {
    let cluster = shared_cluster();
    let nothing = tokio_stream::iter([]);
    let mut answers = cluster.client().decide_stream(nothing).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap(), None);
}
