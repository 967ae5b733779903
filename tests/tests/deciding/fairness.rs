//! Several callers of one coordinator.

use strata_tests::{Cluster, requests};
use strata_wire::pb::{self, decide_stream_response::Result as Answer};

#[tokio::test]
async fn a_coordinator_takes_so_many_requests_of_a_connection_and_no_more() {
    let cluster = Cluster::start_with_service("coordinator", |spec| {
        spec.set("REQUESTS_CALLER_IN_FLIGHT", "1")
    });
    // While the layer hangs, only refusals are answered.
    cluster.strategic.pause();
    let requests = tokio_stream::iter((0..2).map(|number| pb::DecideRequest {
        correlation_id: number.to_string(),
        ..requests::decide(number)
    }));
    let mut answers = cluster.client().decide_stream(requests).await.unwrap().into_inner();
    let refused = answers.message().await.unwrap().unwrap();
    let Some(Answer::Fault(fault)) = refused.result else { panic!("{refused:?}") };
    assert_eq!(
        (refused.correlation_id.as_str(), fault.kind()),
        ("1", pb::FaultKind::ResourceExhausted)
    );
    assert!(fault.message.contains("requests.caller_in_flight"), "{fault:?}");
    let mut other = cluster.client();
    let other = tokio::spawn(async move { other.decide(requests::decide(2)).await });
    cluster.strategic.resume();
    let answered = answers.message().await.unwrap().unwrap();
    assert!(matches!(answered.result, Some(Answer::Decision(_))), "{answered:?}");
    assert!(other.await.unwrap().is_ok());
}
