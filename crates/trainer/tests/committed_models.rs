//! The models in the repository: the checker of the onnx package accepts them, and ONNX Runtime
//! computes what candle computes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use strata_runtime::{OnnxRuntime, Repository};
use strata_trainer::{
    nets,
    publish::{self, parity::TOLERANCE},
};

/// Every published model and its version.
const PUBLISHED: [(&str, u32); 8] = [
    ("operational", 1),
    ("operational", 2),
    ("strategic", 1),
    ("strategic", 2),
    ("strategic", 3),
    ("tactical", 1),
    ("tactical", 2),
    ("tactical", 3),
];

/// Those that are networks; version 3 of the placing layers is the formula.
const NETWORKS: [(&str, u32); 6] = [
    ("operational", 1),
    ("operational", 2),
    ("strategic", 1),
    ("strategic", 2),
    ("tactical", 1),
    ("tactical", 2),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_onnx_checker_accepts_every_model() {
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run `make venv`", python.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_onnx.py");
    let files = PUBLISHED.map(|(layer, version)| {
        root().join("models").join(layer).join(version.to_string()).join("model.onnx")
    });
    let output = Command::new(python).arg(script).args(&files).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(told.lines().count(), PUBLISHED.len(), "{told}");
}

#[test]
fn onnx_runtime_computes_what_candle_computes() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let verified = publish::verify(&root().join("models"), &runtime).unwrap();
    let found: Vec<_> = verified.iter().map(|v| (v.name.as_str(), v.version)).collect();
    assert_eq!(found, PUBLISHED);
    for found in &verified {
        let name = &found.name;
        let publish::Agreement::Network(parity) = &found.agreement else {
            assert_eq!((&found.agreement, found.version), (&publish::Agreement::Formula, 3));
            continue;
        };
        assert!(found.rows > 500, "{name}: {} rows", found.rows);
        let sizes: Vec<usize> = parity.errors.iter().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [1, 2, 7, 64]);
        assert!(parity.worst() <= TOLERANCE, "{name}: {parity:?}");
    }
}

#[test]
fn the_forecaster_beats_the_moving_average_and_the_policies_every_baseline_by_hand() {
    let repository = Repository::open(root().join("models")).unwrap();
    let metric = |(layer, version): (&str, u32), name: &str| {
        let files = repository.load(layer, Some(version)).unwrap();
        *files.manifest().metrics.get(name).unwrap_or_else(|| panic!("{layer} has no {name}"))
    };
    for operational in [("operational", 1), ("operational", 2)] {
        let (own, average) = ("r2_request_rate", "moving_average_r2_request_rate");
        assert!(metric(operational, own) > metric(operational, average));
    }
    for value in ["request_rate", "memory_util", "cpu_util"] {
        let of = |name: &str| metric(("operational", 2), &format!("all_{name}_{value}"));
        let others = ["moving_average", "exponential_smoothing", "last_value"];
        for other in others {
            assert!(of("r2_mean") > of(&format!("{other}_r2_mean")), "{other} of {value}");
            assert!(of("rmse") < of(&format!("{other}_rmse")), "{other} of {value}");
        }
        assert!(of("rmse") < 0.8 * of("last_value_rmse"), "{value}");
        assert!(of("upper_exceeded") < 0.05, "{value}");
    }
    for model in NETWORKS.into_iter().filter(|(layer, _)| *layer != "operational") {
        assert!(metric(model, "objective") > metric(model, "stay_put_objective"));
        assert!(metric(model, "objective") > metric(model, "random_objective"));
        assert!(metric(model, "objective") < metric(model, "oracle_objective"));
    }
    let chain = ("strategic", 2);
    let by_hand = ["greedy_cost", "greedy_latency", "greedy_carbon", "round_robin", "best_fixed"];
    for baseline in by_hand {
        let gain = metric(chain, "objective") - metric(chain, &format!("{baseline}_objective"));
        assert!(gain > 0.1, "{baseline}: {gain}");
    }
    assert!(metric(chain, "objective") > 0.9 * metric(chain, "oracle_objective"));
}

#[test]
fn a_network_rebuilt_from_its_file_writes_the_same_constants() {
    let repository = Repository::open(root().join("models")).unwrap();
    for (layer, version) in NETWORKS {
        let files = repository.load(layer, Some(version)).unwrap();
        let network = nets::from_onnx(files.graph()).unwrap();
        let again = nets::from_onnx(&network.to_onnx().unwrap()).unwrap();
        assert_eq!(network.scaling(), again.scaling());
        for name in network.parameters().names() {
            let of = |network: &dyn nets::Network| network.parameters().values(name).unwrap();
            assert_eq!(of(network.as_ref()), of(again.as_ref()), "{layer}: {name}");
        }
    }
}
