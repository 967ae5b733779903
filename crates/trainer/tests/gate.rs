//! Which candidates may replace a published version.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, path::Path};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::research::tactical::{ACTIONS, DEFAULT_FEATURES, Encoder};
use strata_runtime::{Data, OnnxRuntime, Scalar};
use strata_trainer::{
    contract::DecisionLayer,
    fit::Curves,
    nets::TacticalNet,
    publish::{
        Description,
        gate::{Candidate, Gate, Predecessor, TOLERANCE},
        publish,
    },
    scaling::{Column, Scaling, Transform},
};

/// Publishes a fresh tactical network as `version`, with a curve of one point.
fn place(models: &Path, version: u32) {
    let encoder = Encoder::of_names(&DEFAULT_FEATURES).unwrap();
    let columns = vec![Column::between(Transform::Linear, 0.0, 1.0); encoder.width()];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(u64::from(version));
    let net = TacticalNet::new(Scaling::new(columns).unwrap(), ACTIONS, &mut rng).unwrap();
    let mut curves = Curves::default();
    curves.add("loss", 3.0, 0.5);
    let description = Description {
        version,
        features: encoder.features().map(|(n, unit, ..)| (n.to_owned(), unit.to_owned())).collect(),
        labels: DecisionLayer::Tactical.labels(),
        data: Data { trace: "none".to_owned(), splits: "none".to_owned(), seed: None },
        training: BTreeMap::new(),
        metrics: BTreeMap::new(),
        curves: Some(curves),
    };
    publish(models, &net, &description, &OnnxRuntime::load(None).unwrap()).unwrap();
}

fn candidate(version: u32, value: f64) -> Candidate {
    Candidate { layer: DecisionLayer::Tactical, version, figure: "objective", value }
}

/// Judges a candidate against a predecessor whose figure is 0.5.
fn judged(models: &Path, (version, value): (u32, f64), force: bool) -> Result<Training, String> {
    let mut gate = Gate::default();
    gate.compare(models, candidate(version, value), |_| Ok(0.5));
    let mut training = Training::new();
    match gate.pass(force, &mut training) {
        Ok(()) => Ok(training),
        Err(error) => Err(format!("{error:#}")),
    }
}

type Training = BTreeMap<String, Scalar>;

#[test]
fn worse_is_refused_with_both_figures_unless_forced() {
    let models = tempfile::tempdir().unwrap();
    place(models.path(), 2);
    let csv = std::fs::read_to_string(models.path().join("tactical/2/training.csv")).unwrap();
    assert_eq!(csv, "step,series,value\n3,loss,0.5\n");

    let refusal = judged(models.path(), (2, 0.41), false).unwrap_err();
    for part in ["0.4100", "0.5000", "version 2", "--force"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let training = judged(models.path(), (2, 0.41), true).unwrap();
    assert_eq!(training["forced"], Scalar::Bool(true));
    let Scalar::Text(against) = &training["forced_against"] else { panic!("{training:?}") };
    assert!(against.contains("0.4100") && against.contains("0.5000"), "{against}");

    for good_enough in [0.5, 0.6, 0.5 - 0.9 * TOLERANCE] {
        // Without a reason against the candidate, `force` leaves no note.
        assert_eq!(judged(models.path(), (2, good_enough), true), Ok(Training::new()));
    }
    assert!(judged(models.path(), (2, 0.5 - 1.1 * TOLERANCE), false).is_err());
    assert!(judged(models.path(), (2, f64::NAN), false).is_err());
}

#[test]
fn a_candidate_competes_with_the_version_it_replaces_or_else_the_newest() {
    let models = tempfile::tempdir().unwrap();
    let against = |version| {
        let found = Predecessor::of(models.path(), DecisionLayer::Tactical, version).unwrap();
        found.map(|predecessor| predecessor.version())
    };
    assert_eq!((against(1), against(2)), (None, None));
    assert_eq!(judged(models.path(), (2, -9.0), false), Ok(Training::new()));
    place(models.path(), 2);
    assert_eq!((against(1), against(2), against(3)), (None, Some(2), Some(2)));
    place(models.path(), 1);
    place(models.path(), 3);
    assert_eq!((against(1), against(2), against(4)), (Some(1), Some(2), Some(3)));
    let found = Predecessor::of(models.path(), DecisionLayer::Tactical, 4).unwrap().unwrap();
    assert_eq!(found.features(), DEFAULT_FEATURES);
}

#[test]
fn what_cannot_be_measured_is_not_replaced_silently() {
    let models = tempfile::tempdir().unwrap();
    place(models.path(), 2);
    let mut gate = Gate::default();
    gate.compare(models.path(), candidate(2, 0.9), |_| anyhow::bail!("not one of ours"));
    let refusal = format!("{:#}", gate.pass(false, &mut Training::new()).unwrap_err());
    assert!(refusal.contains("version 2 cannot be measured: not one of ours"), "{refusal}");
    // A damaged predecessor cannot be measured either.
    std::fs::write(models.path().join("tactical/2/model.onnx"), b"damaged").unwrap();
    assert!(judged(models.path(), (2, 0.9), false).is_err());
    assert!(judged(models.path(), (2, 0.9), true).unwrap().contains_key("forced"));
}
