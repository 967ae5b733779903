//! The committed configuration of ghz works with the data that `make load` generates for it.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::{Value, json};
use strata_tests::{Cluster, finish, root, strata};

fn configuration() -> Value {
    let text = std::fs::read_to_string(root().join("tests/load/decide.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn generate(data: &Path) {
    strata(&format!("requests --limit 300 --out {}", data.display())).expect_success();
}

#[test]
fn ghz_gets_nothing_but_good_answers() {
    let ghz = root().join("bin/ghz");
    assert!(ghz.is_file(), "bin/ghz is missing; run `make tools`");
    let cluster = Cluster::start_with(|spec| spec.on_catalogue("world"));
    let dir = tempfile::tempdir().unwrap();
    let (data, short) = (dir.path().join("data.json"), dir.path().join("short.json"));
    generate(&data);
    // The committed configuration with another port and a shorter run.
    let mut config = configuration();
    assert_eq!(config["host"], "127.0.0.1:50050");
    config["host"] = json!(cluster.coordinator.grpc().to_string());
    config["data-file"] = json!(data);
    config["duration"] = json!("500ms");
    // A busy machine must not make this fail.
    config["timeout"] = json!("30s");
    std::fs::write(&short, config.to_string()).unwrap();
    let mut ghz = Command::new(ghz);
    ghz.current_dir(root()).arg("--config").arg(&short).args(["--format", "json"]);
    let report: Value = serde_json::from_str(&finish(ghz).expect_success()).unwrap();
    let codes = report["statusCodeDistribution"].as_object().unwrap();
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["OK"], "{codes:?}");
    assert!(report["count"].as_u64().unwrap() >= 64, "{}", report["count"]);
}

#[test]
fn the_generated_requests_differ() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data.json");
    generate(&data);
    let requests: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(data).unwrap()).unwrap();
    let functions: BTreeSet<_> =
        requests.iter().map(|request| request["function"].to_string()).collect();
    assert!(functions.len() > 200, "{}", functions.len());
}
