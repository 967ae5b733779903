//! Imported models become published versions, or are refused with the reason.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::{
    operational::WINDOW_STEPS,
    research::{strategic, tactical},
};
use strata_runtime::{Batch, Model, ModelOptions, OnnxRuntime, Repository};
use strata_trainer::{
    contract::{Bound, DecisionLayer},
    import::{self, Import},
    nets::{Network, OperationalNet, OutputRange, StrategicNet, TacticalNet},
    publish,
    scaling::{Column, Scaling, Transform},
};

mod checkpoints;
mod graphs;
mod lstm;
mod refusals;

/// ln(1 + 53 requests per second).
const LOG_SPAN: f32 = 4.0;

/// The scaler.yaml that the documentation shows.
const TACTICAL: &str = include_str!("../import_data/scaler.yaml");

/// A directory of models, files beside it, and ONNX Runtime.
struct Fixture {
    dir: tempfile::TempDir,
    runtime: OnnxRuntime,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), runtime: OnnxRuntime::load(None).unwrap() }
    }

    fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn options(&self, layer: DecisionLayer, file: &Path) -> Import {
        let (file, models) = (file.to_owned(), self.models());
        Import { layer, file, scaler: None, features: None, models, version: None }
    }

    fn import(&self, layer: DecisionLayer, file: &Path, scaler: &str) -> Result<PathBuf, String> {
        let scaler = Some(self.write("scaler.yaml", scaler));
        let options = Import { scaler, ..self.options(layer, file) };
        import::import(&options, &self.runtime).map_err(|error| format!("{error:#}"))
    }

    fn refusal(&self, layer: DecisionLayer, file: &Path, scaler: &str) -> String {
        let error = self.import(layer, file, scaler).unwrap_err();
        assert!(!self.models().exists(), "something was published");
        error
    }

    /// Outputs of the newest version for `rows`.
    fn serve(&self, layer: DecisionLayer, rows: &[f32]) -> Vec<Vec<f32>> {
        let files = Repository::open(self.models()).unwrap().load(layer.name(), None).unwrap();
        let model = Model::start(&self.runtime, files, &ModelOptions::default()).unwrap();
        let row_len = model.manifest().inputs[0].shape.row_len();
        let inputs = vec![rows.to_vec()];
        let batch = Batch { rows: rows.len() / row_len, inputs, ..Batch::default() };
        model.infer_blocking(batch).unwrap().outputs
    }
}

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(23)
}

/// A scaler.yaml of the layer's default features with other numbers for each.
fn scaler(layer: DecisionLayer) -> String {
    if layer == DecisionLayer::Tactical {
        return TACTICAL.to_owned();
    }
    let mut text = "features:\n".to_owned();
    for (index, b) in layer.default_features().unwrap().iter().enumerate() {
        let (center, scale) = (0.25 * index as f64, 1.5 + index as f64);
        let Bound { name, unit, .. } = b;
        text += &format!("- {{name: {name}, unit: '{unit}', center: {center}, scale: {scale}}}\n");
    }
    if layer == DecisionLayer::Operational {
        text += &format!("output: {{request_rate_log_span: {LOG_SPAN}}}\n");
    }
    text
}

/// Center and scale of each feature of a scaler.yaml.
fn numbers(scaler: &str) -> Vec<[f32; 2]> {
    let value: serde_yaml::Value = serde_yaml::from_str(scaler).unwrap();
    let features = value["features"].as_sequence().unwrap().iter();
    features.map(|f| ["center", "scale"].map(|key| f[key].as_f64().unwrap() as f32)).collect()
}

/// A network with fresh weights whose scaling clips nothing, as a network trained elsewhere.
fn network(layer: DecisionLayer) -> Box<dyn Network> {
    let columns = numbers(&scaler(layer)).into_iter().map(|[shift, scale]| Column {
        transform: Transform::Linear,
        shift,
        scale,
        lower: -1e12,
        upper: 1e12,
    });
    let scaling = Scaling::new(columns.collect()).unwrap();
    let rate = OutputRange::Log1p { log_span: LOG_SPAN };
    let outputs = vec![rate, OutputRange::Fraction, OutputRange::Fraction];
    match layer {
        DecisionLayer::Strategic => {
            Box::new(StrategicNet::new(scaling, 10, strategic::ACTIONS, &mut rng()).unwrap())
        }
        DecisionLayer::Tactical => {
            Box::new(TacticalNet::new(scaling, tactical::ACTIONS, &mut rng()).unwrap())
        }
        DecisionLayer::Operational => {
            Box::new(OperationalNet::new(scaling, WINDOW_STEPS, outputs, &mut rng()).unwrap())
        }
    }
}

/// Name, shape and values of every tensor of a checkpoint.
type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

fn tensors(network: &dyn Network) -> Tensors {
    let parameters = network.parameters();
    let of = |name: &str| {
        (name.to_owned(), parameters.shape(name).unwrap(), parameters.values(name).unwrap())
    };
    parameters.names().map(of).collect()
}

/// A valid input of `count` rows, values from a tenth of the usual range.
fn input(network: &dyn Network, count: usize) -> Vec<f32> {
    let bounds = DecisionLayer::of_name(network.layer()).unwrap().default_features().unwrap();
    let length = count * network.input().shape.iter().product::<usize>();
    let mut rng = rng();
    let value = |position: usize| {
        let Bound { min, max, .. } = bounds[position % bounds.len()];
        rng.random_range(min..=max.min(min + 500.0)) as f32
    };
    (0..length).map(value).collect()
}

fn outputs(network: &dyn Network, rows: &[f32]) -> Vec<Vec<f32>> {
    let shape = network.input().shape;
    let mut whole = vec![rows.len() / shape.iter().product::<usize>()];
    whole.extend(shape);
    let batch = Tensor::from_slice(rows, whole, &Device::Cpu).unwrap();
    let outputs = network.run(&batch).unwrap();
    outputs.iter().map(|output| output.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

#[track_caller]
fn assert_close(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{found} for {wanted}");
    }
}
