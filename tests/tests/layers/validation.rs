//! Invalid questions: each layer names every field that is wrong.

use std::fmt;

use prost_types::Timestamp;
use strata_tests::{refused_fields, requests, shared_cluster};
use strata_wire::pb;
use tonic::{Response, Status};

/// A change that makes a message invalid, and the field that the refusal must name.
type Case<T> = (fn(&mut T), &'static str);

const NOT_A_TIME: Timestamp = Timestamp { seconds: 0, nanos: 1_000_000_000 };
const BEFORE_1970: Timestamp = Timestamp { seconds: -1, nanos: 0 };
const AFTER_9999: Timestamp = Timestamp { seconds: 253_402_300_800, nanos: 0 };

fn facts() -> Vec<Case<pb::FunctionFacts>> {
    vec![
        (|f| f.at = None, "facts.at"),
        (|f| f.at = Some(NOT_A_TIME), "facts.at"),
        (|f| f.at = Some(BEFORE_1970), "facts.at"),
        (|f| f.at = Some(AFTER_9999), "facts.at"),
        (|f| f.invocation_rate_per_minute = f64::NAN, "facts.invocation_rate_per_minute"),
        (|f| f.inter_arrival_ms = f64::INFINITY, "facts.inter_arrival_ms"),
        (|f| f.duration_ms = -1.0, "facts.duration_ms"),
        (|f| f.avg_duration_ms = f64::NEG_INFINITY, "facts.avg_duration_ms"),
        (|f| f.std_duration_ms = f64::NAN, "facts.std_duration_ms"),
        (|f| f.memory_mb = -0.5, "facts.memory_mb"),
        (|f| f.avg_cost_usd = f64::NAN, "facts.avg_cost_usd"),
        (|f| f.avg_carbon_g = -1e-9, "facts.avg_carbon_g"),
        (|f| f.cold_start_rate = 1.1, "facts.cold_start_rate"),
        (|f| f.app_cold_start_rate = -0.1, "facts.app_cold_start_rate"),
        (|f| f.app_sla_violation_rate = 2.0, "facts.app_sla_violation_rate"),
        (
            |f| f.app_avg_invocation_rate_per_minute = f64::NAN,
            "facts.app_avg_invocation_rate_per_minute",
        ),
        (|f| f.current.as_mut().unwrap().platform = "fly".to_owned(), "facts.current.platform"),
        (|f| f.current.as_mut().unwrap().region.clear(), "facts.current.region"),
        (|f| f.current.as_mut().unwrap().memory_mb = 0, "facts.current.memory_mb"),
        (|f| f.home = area("atlantis"), "facts.home.area"),
        (|f| f.data_provider = "ovh".to_owned(), "facts.data_provider"),
    ]
}

fn area(name: &str) -> Option<pb::Home> {
    Some(pb::Home { place: Some(pb::home::Place::Area(name.to_owned())) })
}

fn table(question: &mut pb::SelectRequest) -> &mut pb::CandidateTable {
    question.candidates.as_mut().unwrap().table.as_mut().unwrap()
}

/// Sends `valid` once with each change; the layer must refuse it and name the one field.
async fn each_is_refused<T: Clone, R: fmt::Debug>(
    valid: T,
    cases: impl IntoIterator<Item = Case<T>>,
    mut ask: impl AsyncFnMut(T) -> Result<Response<R>, Status>,
) {
    for (spoil, field) in cases {
        let mut question = valid.clone();
        spoil(&mut question);
        assert_eq!(refused_fields(ask(question).await), [field]);
    }
}

#[tokio::test]
async fn the_strategic_layer_names_the_field_that_is_wrong() {
    let cluster = shared_cluster();
    let mut client = cluster.strategic();
    each_is_refused(requests::facts(), facts(), async |facts| {
        let question = pb::SelectRequest { facts: Some(facts.into()), ..requests::select() };
        client.select(question).await
    })
    .await;
    let cases: [Case<pb::SelectRequest>; 4] = [
        (|q| q.facts = None, "facts"),
        (|q| table(q).values.push(1.0), "candidates.table.values"),
        (|q| table(q).allowed = vec![false], "candidates.table.allowed"),
        (|q| table(q).values[2] = f32::NAN, "candidates.table.values[2]"),
    ];
    let valid = requests::select_among(&[("aws-lambda", true)]);
    each_is_refused(valid, cases, async |question| client.select(question).await).await;
}

#[tokio::test]
async fn the_tactical_layer_names_the_field_that_is_wrong() {
    let cluster = shared_cluster();
    let mut client = cluster.tactical();
    each_is_refused(requests::facts(), facts(), async |facts| {
        let question = pb::PlaceRequest { facts: Some(facts.into()), ..requests::place() };
        client.place(question).await
    })
    .await;
    let cases: [Case<pb::PlaceRequest>; 6] = [
        (|q| q.facts = None, "facts"),
        (|q| q.platform.clear(), "platform"),
        (|q| q.platform = "fly".to_owned(), "platform"),
        (|q| q.candidates.as_mut().unwrap().region = vec![7], "candidates.region[0]"),
        (|q| q.candidates.as_mut().unwrap().memory_mb = vec![0], "candidates.memory_mb[0]"),
        (|q| q.candidates.as_mut().unwrap().memory_mb.clear(), "candidates.memory_mb"),
    ];
    let valid = requests::place_among(&[("us-east-1", 512)]);
    each_is_refused(valid, cases, async |question| client.place(question).await).await;
}

#[tokio::test]
async fn the_operational_layer_names_the_field_that_is_wrong() {
    let cluster = shared_cluster();
    let mut client = cluster.operational();
    let cases: [Case<pb::ForecastRequest>; 14] = [
        (|q| q.at = None, "at"),
        (|q| q.at = Some(BEFORE_1970), "at"),
        (|q| q.steps.clear(), "steps"),
        (|q| q.steps.truncate(11), "steps"),
        (|q| q.steps.push(pb::TelemetryStep::default()), "steps"),
        (|q| q.steps[0].request_rate = f64::NAN, "steps[0].request_rate"),
        (|q| q.steps[7].queue_depth = 1_000_001.0, "steps[7].queue_depth"),
        (|q| q.steps[3].memory_util = 1.01, "steps[3].memory_util"),
        (|q| q.steps[11].cpu_util = -0.1, "steps[11].cpu_util"),
        (|q| q.steps[5].queue_depth = f64::INFINITY, "steps[5].queue_depth"),
        (|q| q.observed_memory_mb = u32::MAX, "observed_memory_mb"),
        (|q| q.memory_mb = 0, "memory_mb"),
        (|q| q.keep_alive_minutes = 0.0, "keep_alive_minutes"),
        (|q| q.keep_alive_minutes = f64::NAN, "keep_alive_minutes"),
    ];
    let ask = async |question| client.forecast(question).await;
    each_is_refused(requests::forecast(), cases, ask).await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_at_once() {
    let cluster = shared_cluster();
    let mut question = requests::place();
    let facts = question.facts.as_mut().unwrap();
    (facts.duration_ms, facts.memory_mb) = (f64::NAN, f64::NAN);
    question.platform.clear();
    let fields = refused_fields(cluster.tactical().place(question).await);
    assert_eq!(fields, ["facts.duration_ms", "facts.memory_mb", "platform"]);
}

#[tokio::test]
async fn the_largest_numbers_are_answered_with_finite_scores() {
    let cluster = shared_cluster();
    let mut question = requests::select();
    let facts = question.facts.as_mut().unwrap();
    for number in [
        &mut facts.invocation_rate_per_minute,
        &mut facts.inter_arrival_ms,
        &mut facts.duration_ms,
        &mut facts.avg_duration_ms,
        &mut facts.memory_mb,
        &mut facts.avg_cost_usd,
        &mut facts.avg_carbon_g,
        &mut facts.app_avg_invocation_rate_per_minute,
    ] {
        *number = f64::MAX;
    }
    let answer = cluster.strategic().select(question).await.unwrap().into_inner();
    assert!(answer.q_values.iter().all(|q| q.is_finite()), "{:?}", answer.q_values);
}
