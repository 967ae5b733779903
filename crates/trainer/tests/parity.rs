//! Fresh networks in both runtimes: every operator that the writer knows, without training.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::{
    operational::WINDOW_STEPS,
    research::{strategic, tactical},
};
use strata_runtime::{Data, Model, ModelOptions, OnnxRuntime, Repository};
use strata_trainer::{
    contract::DecisionLayer,
    nets::{self, Network, OperationalNet, OutputRange, Parameters, StrategicNet, TacticalNet},
    publish::{Description, parity, publish, verify},
    scaling::{Column, Scaling, Transform},
};

fn scaling(width: usize) -> Scaling {
    let columns = (0..width).map(|index| Column {
        transform: if index % 2 == 0 { Transform::Log1p { gain: 10.0 } } else { Transform::Linear },
        shift: 0.5,
        scale: 1.5,
        lower: -2.0,
        upper: 3.0,
    });
    Scaling::new(columns.collect()).unwrap()
}

fn networks() -> [Box<dyn Network>; 3] {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
    let outputs =
        vec![OutputRange::Log1p { log_span: 4.0 }, OutputRange::Fraction, OutputRange::Fraction];
    [
        Box::new(StrategicNet::new(scaling(14), 10, strategic::ACTIONS, &mut rng).unwrap()),
        Box::new(TacticalNet::new(scaling(11), tactical::ACTIONS, &mut rng).unwrap()),
        Box::new(OperationalNet::new(scaling(5), WINDOW_STEPS, outputs, &mut rng).unwrap()),
    ]
}

fn description(network: &dyn Network) -> Description {
    let layer = DecisionLayer::of_name(network.layer()).unwrap();
    let features = layer.default_features().unwrap();
    Description {
        version: 1,
        features: features.iter().map(|b| (b.name.to_owned(), b.unit.to_owned())).collect(),
        labels: layer.outputs().into_iter().map(|(_, labels)| labels).collect(),
        data: Data { trace: "none".to_owned(), splits: "none".to_owned(), seed: None },
        training: BTreeMap::new(),
        metrics: BTreeMap::new(),
        curves: None,
    }
}

#[test]
fn fresh_networks_are_published_and_agree_at_every_batch_size() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let models = tempfile::tempdir().unwrap();
    for network in networks() {
        let description = description(network.as_ref());
        let (directory, parity) =
            publish(models.path(), network.as_ref(), &description, &runtime).unwrap();
        assert!(parity.worst() <= 1e-5);
        assert!(directory.join("model.onnx").is_file());
    }
    let verified = verify(models.path(), &runtime).unwrap();
    assert_eq!(verified.len(), 3);
}

#[test]
fn a_changed_graph_is_refused() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let models = tempfile::tempdir().unwrap();
    let [network, ..] = networks();
    let description = description(network.as_ref());
    let (directory, _) = publish(models.path(), network.as_ref(), &description, &runtime).unwrap();
    let file = directory.join("model.onnx");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = verify(models.path(), &runtime).unwrap_err();
    assert!(format!("{error:#}").contains("sha256"), "{error:#}");
}

#[test]
fn wrong_gate_order_would_be_noticed() {
    // Compares the published graph of one network with a network that differs in one bias only.
    let runtime = OnnxRuntime::load(None).unwrap();
    let [_, _, network] = networks();
    let models = tempfile::tempdir().unwrap();
    let description = description(network.as_ref());
    publish(models.path(), network.as_ref(), &description, &runtime).unwrap();
    let files = Repository::open(models.path()).unwrap().load("operational", None).unwrap();
    let model = Model::start(&runtime, files, &ModelOptions::default()).unwrap();
    let bias = network.parameters().get("lstm1.bias_ih_l0").unwrap();
    let other = nets::from_onnx(&network.to_onnx().unwrap()).unwrap();
    let swapped: Vec<f32> = {
        let values: Vec<f32> = bias.to_vec1().unwrap();
        let gate = values.len() / 4;
        [&values[..gate], &values[2 * gate..3 * gate], &values[gate..2 * gate], &values[3 * gate..]]
            .concat()
    };
    let mut changed = Parameters::new();
    for name in other.parameters().names() {
        let values = if name == "lstm1.bias_ih_l0" {
            swapped.clone()
        } else {
            other.parameters().values(name).unwrap()
        };
        changed.insert(name, &other.parameters().shape(name).unwrap(), values).unwrap();
    }
    other.parameters().copy_from(&changed).unwrap();
    let error = parity::check(other.as_ref(), &model, 1).unwrap_err();
    assert!(format!("{error:#}").contains("differ by"), "{error:#}");
}
