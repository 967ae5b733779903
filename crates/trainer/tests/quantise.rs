//! Makes, publishes, loads and verifies int8 variants.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fs, path::Path};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::WINDOW_STEPS;
use strata_runtime::{
    Batch, Data, Model, ModelOptions, OnnxRuntime, Precision, Repository, RepositoryError,
};
use strata_trainer::{
    contract::DecisionLayer,
    nets::{OperationalNet, OutputRange},
    publish::{Agreement, Description, publish, verify},
    quantise::{Quantise, VARIANT_FILE, quantise},
    scaling::{Column, Scaling, Transform},
};

const FEATURES: usize = 5;

/// Publishes a forecaster with random weights as version 1.
fn publish_random(models: &Path, runtime: &OnnxRuntime, seed: u64) {
    let column = Column::between(Transform::Log1p { gain: 1.0 }, 0.0, 10.0);
    let scaling = Scaling::new(vec![column; FEATURES]).unwrap();
    let outputs =
        vec![OutputRange::Log1p { log_span: 4.0 }, OutputRange::Fraction, OutputRange::Fraction];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let net = OperationalNet::new(scaling, WINDOW_STEPS, outputs, &mut rng).unwrap();
    let features = DecisionLayer::Operational.default_features().unwrap();
    let description = Description {
        version: 1,
        features: features.iter().map(|b| (b.name.to_owned(), b.unit.to_owned())).collect(),
        labels: DecisionLayer::Operational.labels(),
        data: Data { trace: "none".to_owned(), splits: "none".to_owned(), seed: None },
        training: BTreeMap::new(),
        metrics: BTreeMap::new(),
        curves: None,
    };
    publish(models, &net, &description, runtime).unwrap();
}

fn options(models: &Path, tolerance: f64) -> Quantise {
    Quantise {
        layer: DecisionLayer::Operational,
        models: models.to_owned(),
        version: None,
        tolerance,
        force: false,
        functions: Some(40),
    }
}

/// The outputs of 64 random windows in one batch.
fn outputs(models: &Path, runtime: &OnnxRuntime, precision: Precision) -> Vec<f32> {
    let repository = Repository::open(models).unwrap();
    let files = repository.load_as("operational", None, precision).unwrap();
    assert_eq!(files.precision(), precision);
    let model = Model::start(runtime, files, &ModelOptions::default()).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let rows = (0..64 * WINDOW_STEPS * FEATURES).map(|_| rng.random_range(0.0..8.0)).collect();
    let batch = Batch { rows: 64, inputs: vec![rows], ..Batch::default() };
    model.infer_blocking(batch).unwrap().outputs.concat()
}

#[test]
fn a_variant_answers_nearly_the_same_and_is_verified() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    publish_random(dir.path(), &runtime, 3);
    let judged = quantise(&options(dir.path(), 1.0), &runtime).unwrap();
    assert_eq!(judged.nodes, ["lstm1", "lstm2"]);
    assert!(judged.bytes[1] * 2 < judged.bytes[0], "{:?}", judged.bytes);
    let [fp32, int8] = [Precision::Fp32, Precision::Int8]
        .map(|precision| outputs(dir.path(), &runtime, precision));
    let apart = fp32.iter().zip(&int8).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(apart > 0.0 && apart < 0.02, "{apart}");
    let verified = verify(dir.path(), &runtime).unwrap();
    assert!(
        verified[0].int8_rows.unwrap() > 500
            && matches!(verified[0].agreement, Agreement::Network(_))
    );
    assert!(verified[0].to_string().contains("int8: outputs of"));

    let manifest = Repository::open(dir.path()).unwrap().manifest("operational", 1).unwrap();
    let variant = manifest.int8.clone().unwrap();
    assert_eq!((variant.tolerance, variant.forced_against), (1.0, None));
    for figure in ["windows", "all_int8_rmse_cpu_util", "beside_extreme_fp32_r2_request_rate"] {
        assert!(variant.accuracy.contains_key(figure), "{figure}: {:?}", variant.accuracy);
    }
    // Quantising again does not change the files.
    let before = fs::read(dir.path().join("operational/1/manifest.yaml")).unwrap();
    quantise(&options(dir.path(), 1.0), &runtime).unwrap();
    assert_eq!(fs::read(dir.path().join("operational/1/manifest.yaml")).unwrap(), before);
}

#[test]
fn beyond_the_tolerance_only_force_publishes_and_a_new_model_drops_it() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    publish_random(dir.path(), &runtime, 8);
    let file = dir.path().join("operational/1").join(VARIANT_FILE);
    let strict = options(dir.path(), 0.0);
    let judged = quantise(&strict, &runtime).unwrap();
    assert!(judged.published.is_none() && !judged.against.is_empty() && !file.exists());
    let judged = quantise(&Quantise { force: true, ..strict }, &runtime).unwrap();
    assert_eq!(judged.published.as_ref(), Some(&file));
    let repository = Repository::open(dir.path()).unwrap();
    let forced = repository.manifest("operational", 1).unwrap().int8.unwrap().forced_against;
    assert_eq!(forced, Some(judged.against.join("; ")));

    publish_random(dir.path(), &runtime, 4);
    assert!(!file.exists(), "the variant of the replaced model is left");
    let files = repository.load_as("operational", None, Precision::Int8).unwrap();
    assert_eq!(files.precision(), Precision::Fp32);
}

#[test]
fn a_variant_of_another_graph_is_neither_loaded_nor_verified() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    publish_random(dir.path(), &runtime, 3);
    quantise(&options(dir.path(), 1.0), &runtime).unwrap();
    let manifest = dir.path().join("operational/1/manifest.yaml");
    let sound = fs::read_to_string(&manifest).unwrap();
    let (graph, variant) = sound.split_once("\nint8:").unwrap();
    let source = variant.split("source_sha256: ").nth(1).unwrap()[..64].to_owned();
    let stale = variant.replace(&source, &"0".repeat(64));
    fs::write(&manifest, format!("{graph}\nint8:{stale}")).unwrap();
    let repository = Repository::open(dir.path()).unwrap();
    let refused = repository.load_as("operational", None, Precision::Int8).unwrap_err();
    assert!(matches!(refused, RepositoryError::Stale { .. }), "{refused}");
    assert!(verify(dir.path(), &runtime).is_err());
    assert!(repository.load("operational", None).is_ok());

    fs::write(&manifest, sound).unwrap();
    let file = dir.path().join("operational/1").join(VARIANT_FILE);
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::write(file, bytes).unwrap();
    let refused = repository.load_as("operational", None, Precision::Int8).unwrap_err();
    assert!(matches!(refused, RepositoryError::Hash { .. }), "{refused}");
    assert!(verify(dir.path(), &runtime).is_err());
}

#[test]
fn only_forecasters_are_quantised() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let strategic = Quantise { layer: DecisionLayer::Strategic, ..options(dir.path(), 0.02) };
    let refused = quantise(&strategic, &runtime).unwrap_err().to_string();
    assert!(refused.contains("only the operational"), "{refused}");
}
