//! The models in the repository: sound by the checker of the onnx package, and the same in ONNX
//! Runtime as in candle.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use strata_runtime::{OnnxRuntime, Repository};
use strata_trainer::parity::TOLERANCE;
use strata_trainer::{nets, publish};

const LAYERS: [&str; 3] = ["operational", "strategic", "tactical"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_onnx_checker_accepts_every_model() {
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run `make venv`", python.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_onnx.py");
    let files = LAYERS.map(|layer| root().join("models").join(layer).join("1/model.onnx"));
    let output = Command::new(python).arg(script).args(&files).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(told.lines().count(), LAYERS.len(), "{told}");
}

#[test]
fn onnx_runtime_computes_what_candle_computes() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let verified = publish::verify(&root().join("models"), &runtime).unwrap();
    let names: Vec<&str> = verified.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, LAYERS);
    for found in &verified {
        let (name, parity) = (&found.name, found.parity.as_ref().unwrap());
        assert!(found.rows > 500, "{name}: {} rows", found.rows);
        let sizes: Vec<usize> = parity.errors.iter().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [1, 2, 7, 64]);
        assert!(parity.worst() <= TOLERANCE, "{name}: {parity:?}");
    }
}

#[test]
fn the_forecaster_beats_the_moving_average_and_the_policies_staying_put() {
    let repository = Repository::open(root().join("models")).unwrap();
    let metric = |layer: &str, name: &str| {
        let files = repository.load(layer, Some(1)).unwrap();
        *files.manifest().metrics.get(name).unwrap_or_else(|| panic!("{layer} has no {name}"))
    };
    assert!(
        metric("operational", "r2_request_rate")
            > metric("operational", "moving_average_r2_request_rate")
    );
    for layer in ["strategic", "tactical"] {
        assert!(metric(layer, "reward") > metric(layer, "stay_put_reward"));
        assert!(metric(layer, "reward") > metric(layer, "random_reward"));
        assert!(metric(layer, "reward") < metric(layer, "oracle_reward"));
    }
    assert!(metric("strategic", "reward") > metric("strategic", "best_constant_reward"));
}

#[test]
fn a_network_rebuilt_from_its_file_writes_the_same_constants() {
    let repository = Repository::open(root().join("models")).unwrap();
    for layer in LAYERS {
        let files = repository.load(layer, Some(1)).unwrap();
        let network = nets::from_onnx(files.graph()).unwrap();
        let again = nets::from_onnx(&network.to_onnx().unwrap()).unwrap();
        assert_eq!(network.scaling(), again.scaling());
        for name in network.parameters().names() {
            let of = |network: &dyn nets::Network| network.parameters().values(name).unwrap();
            assert_eq!(of(network.as_ref()), of(again.as_ref()), "{layer}: {name}");
        }
    }
}
