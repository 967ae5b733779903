//! The operational network of version 2: an LSTM that weighs simple forecasts, and estimates how
//! far the outcome may lie above the result.

use anyhow::{Context, Result, bail, ensure};
use candle_core::{D, Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    candidates::{CANDIDATES, Candidates, Columns},
    lstm::Lstm,
    network::{Network, Port, Weights},
    parameters::{Initialiser, Parameters},
    sequential::{Module, Sequential},
};
use crate::{
    onnx::{Axis, GraphBuilder, Initializers, Value},
    scaling::Scaling,
};

/// Units of the LSTM layers in order. Wider layers and more of them were no better on validation.
const RECURRENT: [usize; 1] = [32];
/// Prefixes of their tensors; earlier networks had two layers.
const NAMES: [&str; 2] = ["lstm1", "lstm2"];
const SKIP: usize = 64;
const HIDDEN: usize = 64;
const CONFORMAL: &str = "bound.conformal";
const FACTOR: &str = "bound.factor";

/// A forecaster: `window` [batch, steps, features] to `forecast` and `upper`, both
/// [batch, outputs], all in raw units.
///
/// The last state of an LSTM and 64 units that see the whole window at once go through 64 units.
/// Those give a softmax weight for each of the simple forecasts, and the headroom. Because the
/// weights add up to 1, the forecast never leaves the range of the simple forecasts: the network
/// follows a rate above any in training like any other.
///
/// The bound is `upper = forecast + max(factor * headroom + constant, 0) * scale`. The constant is
/// chosen so that the bound holds on the requested share of the validation windows (split conformal
/// prediction: Romano, Patterson and Candès, "Conformalized Quantile Regression", NeurIPS 2019).
/// The factor says how much the headroom differs from window to window.
#[derive(Debug)]
pub struct GatedNet {
    weights: Weights,
    steps: usize,
    candidates: Candidates,
    correction: Vec<Correction>,
    layers: Layers,
}

/// The correction of an output's headroom before it is multiplied by the scale:
/// `max(factor * headroom + constant, 0)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// Not below zero.
    pub factor: f32,
    /// In multiples of the scale.
    pub constant: f32,
}

impl Correction {
    /// Leaves the headroom as it was learnt.
    pub const NONE: Self = Self { factor: 1.0, constant: 0.0 };
}

/// The outputs of the network that it learns from.
#[derive(Debug)]
pub struct Parts {
    /// The forecast [batch, outputs], raw units.
    pub forecast: Tensor,
    /// The headroom [batch, outputs] in multiples of the scale, uncorrected; may be negative.
    pub headroom: Tensor,
    /// The scale [batch, outputs], raw units, above zero.
    pub scale: Tensor,
}

#[derive(Debug)]
struct Layers {
    recurrent: Vec<Lstm>,
    skip: Sequential,
    head: Sequential,
}

impl Layers {
    fn new([steps, features]: [usize; 2], widths: &[usize], outputs: usize) -> Self {
        let mut inputs = features;
        let recurrent = widths.iter().zip(NAMES).map(|(&width, name)| {
            let lstm = Lstm::new(name, inputs, width);
            inputs = width;
            lstm
        });
        let recurrent = recurrent.collect();
        let skip = vec![
            Module::Linear { index: 0, inputs: steps * features, outputs: SKIP },
            Module::Relu { index: 1 },
        ];
        let head = vec![
            Module::Linear { index: 0, inputs: inputs + SKIP, outputs: HIDDEN },
            Module::Relu { index: 1 },
            Module::Linear { index: 3, inputs: HIDDEN, outputs: outputs * (CANDIDATES + 1) },
        ];
        Self { recurrent, skip: Sequential::new("skip", skip), head: Sequential::new("gate", head) }
    }
}

impl GatedNet {
    /// A network with fresh weights over windows of `steps`, and an uncorrected bound.
    ///
    /// # Errors
    /// When the columns do not fit the scaling.
    pub fn new(
        scaling: Scaling,
        steps: usize,
        columns: &Columns,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self> {
        let candidates = Candidates::new([steps, scaling.width()], columns)?;
        let layers = Layers::new([steps, scaling.width()], &RECURRENT, candidates.outputs());
        Self::fresh(scaling, (steps, candidates), layers, rng)
    }

    fn fresh(
        scaling: Scaling,
        (steps, candidates): (usize, Candidates),
        layers: Layers,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self> {
        let mut parameters = Parameters::new();
        let mut draw = Initialiser::new(rng);
        for lstm in &layers.recurrent {
            lstm.init(&mut parameters, &mut draw)?;
        }
        layers.skip.init(&mut parameters, &mut draw)?;
        layers.head.init(&mut parameters, &mut draw)?;
        let correction = vec![Correction::NONE; candidates.outputs()];
        let weights = Weights { parameters, scaling };
        Ok(Self { weights, steps, candidates, correction, layers })
    }

    /// Whether a network of this type wrote an ONNX file.
    pub(super) fn wrote(onnx: &Initializers) -> bool {
        Candidates::are_in(onnx)
    }

    /// Rebuilds the network that wrote an ONNX file.
    ///
    /// # Errors
    /// When the file is not one of ours for this layer.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self> {
        let onnx = Initializers::decode(bytes)?;
        let scaling = Scaling::read(&onnx)?;
        let &[None, Some(steps), Some(features)] = onnx.input() else {
            bail!("the input of an operational network is [batch, steps, features]");
        };
        ensure!(
            features == scaling.width(),
            "the input has {features} features, its scaling {}",
            scaling.width()
        );
        let candidates = Candidates::read(&onnx)?;
        // Earlier networks had two layers, and wider ones.
        let widths: Vec<usize> =
            NAMES.iter().map_while(|name| Lstm::width_in(&onnx, name)).collect();
        ensure!(!widths.is_empty(), "the file has no LSTM");
        let layers = Layers::new([steps, features], &widths, candidates.outputs());
        let mut parameters = Parameters::new();
        for lstm in &layers.recurrent {
            lstm.read(&mut parameters, &onnx)?;
        }
        layers.skip.read(&mut parameters, &onnx)?;
        layers.head.read(&mut parameters, &onnx)?;
        let correction = read_correction(&onnx, candidates.outputs())?;
        let weights = Weights { parameters, scaling };
        Ok(Self { weights, steps, candidates, correction, layers })
    }

    /// Forecast, headroom and scale for `window` [batch, steps, features] in raw units.
    ///
    /// # Errors
    /// When the window has another shape.
    pub fn parts(&self, window: &Tensor) -> Result<Parts> {
        let Weights { parameters, scaling } = &self.weights;
        let (rows, outputs) = (window.dim(0)?, self.candidates.outputs());
        let scaled = scaling.forward(window)?;
        let mut states = scaled.transpose(0, 1)?.contiguous()?;
        for lstm in &self.layers.recurrent {
            states = lstm.forward(parameters, &states)?;
        }
        let last = states.get(self.steps - 1)?;
        let flat = self.steps * scaling.width();
        let skip = self.layers.skip.forward(parameters, &scaled.reshape((rows, flat))?)?;
        let y = self.layers.head.forward(parameters, &Tensor::cat(&[&last, &skip], 1)?)?;
        let gates = y.narrow(1, 0, outputs * CANDIDATES)?.reshape((rows, outputs, CANDIDATES))?;
        let weights = candle_nn::ops::softmax(&gates, D::Minus1)?;
        let [candidates, scale] = self.candidates.forward(&window.reshape((rows, flat))?)?;
        Ok(Parts {
            forecast: (weights * candidates)?.sum(D::Minus1)?,
            headroom: y.narrow(1, outputs * CANDIDATES, outputs)?,
            scale,
        })
    }

    /// The correction of each output's headroom.
    pub fn correction(&self) -> &[Correction] {
        &self.correction
    }

    /// Sets the correction of each output's headroom.
    ///
    /// # Errors
    /// When there is not one for each output, a factor is negative or a constant not finite.
    pub fn set_correction(&mut self, correction: Vec<Correction>) -> Result<()> {
        ensure!(correction.len() == self.correction.len(), "every output has one correction");
        let sound = correction.iter().all(|c| c.factor >= 0.0 && c.constant.is_finite());
        ensure!(sound, "the headroom cannot be corrected by {correction:?}");
        self.correction = correction;
        Ok(())
    }

    fn corrected_by(&self, part: impl Fn(&Correction) -> f32) -> Vec<f32> {
        self.correction.iter().map(part).collect()
    }

    /// Writes the network as nodes that give the gates [batch, outputs * candidates] and the
    /// headroom [batch, outputs].
    fn emit_head(&self, graph: &mut GraphBuilder, window: &Value) -> Result<[Value; 2]> {
        let Weights { parameters, scaling } = &self.weights;
        let outputs = self.candidates.outputs();
        let flat = self.steps * scaling.width();
        let scaled = scaling.emit(graph, window)?;
        // ONNX Runtime's LSTM on the CPU takes the time axis first.
        let mut states = graph.transpose("time_first", &scaled, &[1, 0, 2]);
        let (deepest, others) =
            self.layers.recurrent.split_last().context("the network has no LSTM")?;
        for (lstm, name) in others.iter().zip(NAMES) {
            let [all, _] = lstm.emit(parameters, graph, &states)?;
            states = graph.squeeze(&format!("{name}.direction"), &all, 1);
        }
        let [_, last] = deepest.emit(parameters, graph, &states)?;
        let last = graph.squeeze(&format!("{}.direction", NAMES[others.len()]), &last, 0);
        let scaled = graph.reshape("scaled.flat", &scaled, &[flat]);
        let skip = self.layers.skip.emit(parameters, graph, &scaled)?;
        let both = graph.concat_columns("seen", &[&last, &skip]);
        let y = self.layers.head.emit(parameters, graph, &both)?;
        Ok(graph.split_columns("heads", &y, [outputs * CANDIDATES, outputs]))
    }
}

impl Network for GatedNet {
    fn layer(&self) -> &'static str {
        "operational"
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn input(&self) -> Port {
        Port::new("window", &[self.steps, self.scaling().width()])
    }

    fn outputs(&self) -> Vec<Port> {
        let outputs = [self.candidates.outputs()];
        vec![Port::new("forecast", &outputs), Port::new("upper", &outputs)]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        let Parts { forecast, headroom, scale } = self.parts(batch)?;
        let row = |values: Vec<f32>| Tensor::from_vec(values, self.correction.len(), &Device::Cpu);
        let headroom = headroom
            .broadcast_mul(&row(self.corrected_by(|c| c.factor))?)?
            .broadcast_add(&row(self.corrected_by(|c| c.constant))?)?;
        let upper = (&forecast + (headroom.relu()? * scale)?)?;
        Ok(vec![forecast, upper])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let outputs = self.candidates.outputs();
        let mut graph = GraphBuilder::new(self.layer());
        let features = self.scaling().width();
        let axes = [Axis::Batch, Axis::Fixed(self.steps), Axis::Fixed(features)];
        let window = graph.input("window", &axes);
        let [gates, headroom] = self.emit_head(&mut graph, &window)?;
        let gates = graph.reshape("gates", &gates, &[outputs, CANDIDATES]);
        let weights = graph.softmax("weights", &gates);
        let flat = graph.reshape("window.flat", &window, &[self.steps * features]);
        let [candidates, scale] = self.candidates.emit(&mut graph, &flat)?;
        let candidates = graph.reshape("candidates.by_output", &candidates, &[outputs, CANDIDATES]);
        let parts = graph.binary("Mul", "weighted", [&weights, &candidates]);
        let forecast = graph.sum("forecast.sum", &parts, 2);
        let factor = graph.constant(FACTOR, &[outputs], &self.corrected_by(|c| c.factor))?;
        let constant = graph.constant(CONFORMAL, &[outputs], &self.corrected_by(|c| c.constant))?;
        let headroom = graph.binary("Mul", "headroom.spread", [&headroom, &factor]);
        let headroom = graph.binary("Add", "headroom", [&headroom, &constant]);
        let headroom = graph.unary("Relu", "headroom.floor", &headroom);
        let headroom = graph.binary("Mul", "headroom.scaled", [&headroom, &scale]);
        let upper = graph.binary("Add", "upper.sum", [&forecast, &headroom]);
        // The bound uses the forecast too, so the output needs a node of its own.
        let forecast = graph.unary("Identity", "forecast.output", &forecast);
        let axes = [Axis::Batch, Axis::Fixed(outputs)];
        graph.output("forecast", &forecast, &axes)?;
        graph.output("upper", &upper, &axes)?;
        Ok(graph.finish())
    }
}

/// Reads the corrections back from an ONNX file that [`GatedNet::to_onnx`] wrote.
fn read_correction(onnx: &Initializers, outputs: usize) -> Result<Vec<Correction>> {
    let constants = onnx.shaped(CONFORMAL, &[outputs])?;
    // Earlier networks had no factor.
    let factors = match onnx.get(FACTOR) {
        Ok(_) => onnx.shaped(FACTOR, &[outputs])?,
        Err(_) => vec![Correction::NONE.factor; outputs],
    };
    let pairs = factors.into_iter().zip(constants);
    Ok(pairs.map(|(factor, constant)| Correction { factor, constant }).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::scaling::{Column, Transform};

    const STEPS: usize = 6;
    const FEATURES: usize = 3;

    /// A network with one output and an LSTM layer of each of the `widths`.
    fn network(widths: &[usize]) -> GatedNet {
        let column = Column::between(Transform::Linear, 0.0, 1.0);
        let scaling = Scaling::new(vec![column; FEATURES]).unwrap();
        let columns =
            Columns { observed: vec![0], busy: vec![1], expected: vec![2], floor: vec![0.1] };
        let candidates = Candidates::new([STEPS, FEATURES], &columns).unwrap();
        let layers = Layers::new([STEPS, FEATURES], widths, 1);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        GatedNet::fresh(scaling, (STEPS, candidates), layers, &mut rng).unwrap()
    }

    #[test]
    fn earlier_files_with_two_lstms_and_no_factor_are_read() {
        let mut net = network(&[5, 4]);
        net.set_correction(vec![Correction { factor: 0.5, constant: 0.25 }]).unwrap();
        let bytes = net.to_onnx().unwrap();
        let read = GatedNet::from_onnx(&bytes).unwrap();
        assert_eq!((read.layers.recurrent.len(), read.to_onnx().unwrap()), (2, bytes.clone()));
        assert_ne!(network(&[5]).to_onnx().unwrap(), bytes);

        // The reader does not know a factor under another name; same length keeps the file valid.
        let earlier = FACTOR.replace("factor", "nobody");
        let mut bytes = bytes;
        let found: Vec<usize> = (0..bytes.len() - FACTOR.len())
            .filter(|&at| bytes[at..].starts_with(FACTOR.as_bytes()))
            .collect();
        for at in found {
            bytes[at..at + FACTOR.len()].copy_from_slice(earlier.as_bytes());
        }
        let read = GatedNet::from_onnx(&bytes).unwrap();
        assert_eq!(read.correction(), [Correction { factor: 1.0, constant: 0.25 }]);
    }
}
