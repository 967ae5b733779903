//! The grpcurl commands of the README and of `docs` work as pasted. Only the ports differ: the
//! documented ones may be taken while tests run.

use std::process::Command;

use serde_json::Value;
use strata_tests::{Cluster, Process, finish, root, shared_world};

/// Addresses in the documents, and the processes that the test puts in their place.
fn processes(cluster: &Cluster) -> [(&'static str, &Process); 4] {
    [
        ("127.0.0.1:50050", &cluster.coordinator),
        ("127.0.0.1:50051", &cluster.strategic),
        ("127.0.0.1:50052", &cluster.tactical),
        ("127.0.0.1:50053", &cluster.operational),
    ]
}

/// The text of the README and of every document in `docs`.
fn documents() -> String {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = docs.filter(|path| path.extension() == Some("md".as_ref())).collect();
    paths.push(root().join("README.md"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// The fenced shell blocks of the documents that call grpcurl.
fn blocks() -> Vec<String> {
    let documents = documents();
    let fenced = documents.split("```sh\n").skip(1);
    let blocks = fenced.map(|part| part.split("```").next().unwrap().to_owned());
    blocks.filter(|block| block.contains("grpcurl")).collect()
}

/// Runs a block as a shell does in the root of the repository. Returns the output of all its
/// commands.
fn run(block: &str) -> String {
    let grpcurl = root().join("bin/grpcurl");
    assert!(grpcurl.is_file(), "bin/grpcurl is missing; run `make tools`");
    let cluster = shared_world();
    let mut script = format!("set -euo pipefail\n{block}");
    for (documented, process) in processes(&cluster) {
        script = script.replace(documented, &process.grpc().to_string());
    }
    assert!(!script.contains(":5005"), "an address that is not 127.0.0.1 and a port:\n{block}");
    let mut bash = Command::new("bash");
    bash.current_dir(root()).args(["-c", &script]);
    finish(bash).expect_success()
}

/// The JSON values in a text that holds one after the other.
fn values(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().expect(text)
}

#[test]
fn list_and_describe_show_the_contract() {
    let blocks = blocks();
    let looking: Vec<_> = blocks.iter().filter(|block| block.contains(" list\n")).collect();
    assert_eq!(looking.len(), 1, "one block lists and describes");
    let shown = run(looking[0]);
    for text in ["strata.v1.Coordinator\n", "grpc.health.v1.Health\n", "rpc Decide (", "exactly 12"]
    {
        assert!(shown.contains(text), "{text:?} is not in\n{shown}");
    }
}

#[test]
fn the_decision_is_made() {
    let blocks = blocks();
    let deciding: Vec<_> =
        blocks.iter().filter(|block| block.contains("Coordinator/Decide")).collect();
    assert!(!deciding.is_empty());
    for block in deciding {
        let answers = values(&run(block));
        assert_eq!(answers.len(), block.matches("bin/grpcurl").count());
        for answer in answers {
            assert!(answer["placement"]["provider"].is_string(), "{answer}");
            assert!(answer["forecast"]["requestRate"].is_number(), "{answer}");
            assert_eq!(answer["layers"].as_array().unwrap().len(), 3);
        }
    }
}

#[test]
fn each_layer_answers() {
    let blocks = blocks();
    let asking = |method: &str| blocks.iter().find(|block| block.contains(method));
    for (method, field) in [
        ("strata.v1.Strategic/Select", "qValues"),
        ("strata.v1.Tactical/Place", "logits"),
        ("strata.v1.Operational/Forecast", "forecast"),
        ("grpc.health.v1.Health/Check", "SERVING"),
    ] {
        let block = asking(method).unwrap_or_else(|| panic!("no document calls {method}"));
        let shown = run(block);
        assert!(shown.contains(field), "{field} is not in\n{shown}");
    }
}

#[test]
fn a_model_answers_as_tensors() {
    let blocks = blocks();
    let block = blocks.iter().find(|block| block.contains("/ModelInfer ")).expect("a block");
    let answers = values(&run(block));
    assert_eq!(answers[0]["inputs"][0]["shape"], serde_json::json!(["-1", "14"]));
    assert_eq!(answers[1]["outputs"][0]["name"], "q_values");
    let values = answers[1]["outputs"][0]["contents"]["fp32Contents"].as_array().unwrap();
    assert!(values.len() == 2 && values.iter().all(Value::is_number), "{values:?}");
}

/// Whether `answer` has every field of `shown` with its value; numbers may differ by 1 %.
fn contains(answer: &Value, shown: &Value) -> bool {
    match (answer, shown) {
        (Value::Object(answer), Value::Object(shown)) => shown
            .iter()
            .all(|(key, shown)| answer.get(key).is_some_and(|value| contains(value, shown))),
        (Value::Number(answer), Value::Number(shown)) => {
            let (answer, shown) = (answer.as_f64().unwrap(), shown.as_f64().unwrap());
            (answer - shown).abs() <= 0.01 * answer.abs()
        }
        (answer, shown) => answer == shown,
    }
}

#[test]
fn the_readme_shows_the_answer_to_its_call() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, after) = readme.split_once("```json\n").expect("an answer");
    let shown: Value = serde_json::from_str(after.split("```").next().unwrap()).unwrap();
    let calls: Vec<_> = blocks().into_iter().filter(|block| readme.contains(block)).collect();
    assert_eq!(calls.len(), 1, "the README has one call");
    let answer = values(&run(&calls[0])).remove(0);
    assert!(contains(&answer, &shown), "the README shows\n{shown:#}\nand not\n{answer:#}");
}

#[test]
fn every_grpcurl_command_of_the_documents_is_in_a_block_that_was_run() {
    let in_blocks: usize = blocks().iter().map(|block| block.matches("bin/grpcurl ").count()).sum();
    assert_eq!(documents().matches("bin/grpcurl ").count(), in_blocks);
    let known =
        ["list\n", "Coordinator/Decide", "Strategic/Select", "Health/Check", "/ModelInfer "];
    for block in blocks() {
        assert!(known.iter().any(|call| block.contains(call)), "no test runs\n{block}");
    }
}
