//! `strata decide`: one decision, to read or to parse.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};
use strata_tests::{FUNCTION_FLAGS, command, free_ports, shared_cluster, strata};

#[test]
fn decide_prints_an_answer_to_read_and_one_to_parse() {
    let cluster = shared_cluster();
    let endpoint = cluster.coordinator.spec().endpoint();
    let text = strata(&format!("decide --endpoint {endpoint} {FUNCTION_FLAGS} --explain"))
        .expect_success();
    for part in ["shop/pay", "run on", "runs on", "next 15 s", "strategic v2", "tactical scores:"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let text = strata(&format!(
        "decide --endpoint {endpoint} {FUNCTION_FLAGS} --json --correlation-id c7 \
         --at 2026-11-24T10:00:00Z --allow-providers gcp --allow-regions us-west1 \
         --min-memory 512 --max-memory 512 --weights 1,0,0"
    ))
    .expect_success();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["correlationId"], "c7");
    let expected = json!({
        "platform": "gcp-functions-gen1",
        "region": "us-west1",
        "memoryMb": 512,
        "provider": "gcp",
    });
    assert_eq!(answer["placement"], expected);
    assert_eq!(answer["layers"][2]["layer"], "LAYER_OPERATIONAL");
    assert!(answer["estimate"]["costUsd"].is_number() && answer["currentEstimate"].is_object());
}

#[test]
fn decide_takes_a_request_from_a_file_or_standard_input() {
    let cluster = shared_cluster();
    let endpoint = cluster.coordinator.spec().endpoint();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("requests.json");
    strata(&format!("requests --limit 3 --catalogue research --out {}", path.display()))
        .expect_success();
    let requests: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(requests.len(), 3);
    let one = dir.path().join("one.json");
    std::fs::write(&one, requests[0].to_string()).unwrap();
    let answer = strata(&format!("decide --endpoint {endpoint} --json --file {}", one.display()))
        .expect_success();
    let mut child = command("strata")
        .args(["decide", "--endpoint", &endpoint, "--json", "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(requests[0].to_string().as_bytes()).unwrap();
    let piped = child.wait_with_output().unwrap();
    let placement =
        |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap()["placement"].clone();
    assert_eq!(placement(&piped.stdout), placement(answer.as_bytes()));
}

#[test]
fn decide_shows_every_field_that_is_wrong_and_fails() {
    let cluster = shared_cluster();
    let endpoint = cluster.coordinator.spec().endpoint();
    let refused = strata(&format!(
        "decide --endpoint {endpoint} --application shop --function pay --avg-duration-ms -1 \
         --rate nan"
    ));
    assert_eq!(refused.code(), Some(1));
    let said = refused.stderr;
    for part in
        ["INVALID_ARGUMENT", "workload.avg_duration_ms: ", "workload.invocation_rate_per_minute: "]
    {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let [port] = free_ports();
    let refused = strata(&format!("decide --endpoint http://127.0.0.1:{port} {FUNCTION_FLAGS}"));
    assert_eq!(refused.code(), Some(1));
    let said = refused.stderr;
    assert!(said.contains("UNAVAILABLE") && said.contains(&port.to_string()), "{said}");
}
