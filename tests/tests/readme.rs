//! The commands of the README work as pasted. Only the ports differ: the documented ones may be
//! taken while tests run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

use serde_json::Value;
use strata_tests::{Shared, root};

static SHARED: Shared = Shared::new();

/// The fenced shell blocks of the README that call grpcurl.
fn blocks() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut parts = readme.split("```sh\n");
    parts.next();
    let blocks = parts.map(|part| part.split("```").next().unwrap().to_owned());
    blocks.filter(|block| block.contains("grpcurl")).collect()
}

/// Runs a block as a shell does that is in the root of the repository; the output of all its
/// commands.
fn run(block: &str) -> String {
    let grpcurl = root().join("bin/grpcurl");
    assert!(grpcurl.is_file(), "bin/grpcurl is missing; run `make tools`");
    let cluster = SHARED.get();
    let mut script = format!("set -euo pipefail\n{block}");
    for (documented, process) in [
        ("127.0.0.1:50050", &cluster.coordinator),
        ("127.0.0.1:50051", &cluster.strategic),
        ("127.0.0.1:50052", &cluster.tactical),
        ("127.0.0.1:50053", &cluster.operational),
    ] {
        script = script.replace(documented, &process.grpc().to_string());
    }
    assert!(!script.contains(":5005"), "an address that is not 127.0.0.1 and a port:\n{block}");
    let output = Command::new("bash").current_dir(root()).args(["-c", &script]).output().unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{block}\n{out}\n{err}");
    out
}

/// The JSON values in a text, one after the other.
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
        let block = asking(method).unwrap_or_else(|| panic!("the README does not call {method}"));
        let shown = run(block);
        assert!(shown.contains(field), "{field} is not in\n{shown}");
    }
}

#[test]
fn a_model_answers_as_tensors() {
    let blocks = blocks();
    let block = blocks.iter().find(|block| block.contains("/ModelInfer ")).expect("a block");
    let answers = values(&run(block));
    assert_eq!(answers[0]["inputs"][0]["shape"], serde_json::json!(["-1", "33"]));
    assert_eq!(answers[1]["outputs"][0]["name"], "q_values");
    let values = answers[1]["outputs"][0]["contents"]["fp32Contents"].as_array().unwrap();
    assert!(values.len() == 3 && values.iter().all(Value::is_number), "{values:?}");
}

#[test]
fn every_grpcurl_command_of_the_readme_is_in_a_block_that_was_run() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let in_blocks: usize = blocks().iter().map(|block| block.matches("bin/grpcurl ").count()).sum();
    assert_eq!(readme.matches("bin/grpcurl ").count(), in_blocks);
    let known =
        ["list\n", "Coordinator/Decide", "Strategic/Select", "Health/Check", "/ModelInfer "];
    for block in blocks() {
        assert!(known.iter().any(|call| block.contains(call)), "no test runs\n{block}");
    }
}
