//! The operational network of version 2: an LSTM that says which simple forecast to trust, and how far the truth may lie above it.

use anyhow::{Result, bail, ensure};
use candle_core::{D, Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::candidates::{CANDIDATES, Candidates, Columns};
use super::lstm::Lstm;
use super::stack::{Layer, Stack};
use super::{Initialiser, Network, Parameters, Port};
use crate::onnx::{Axis, GraphBuilder, Initializers, Value};
use crate::scaling::Scaling;

const WIDE: usize = 128;
const NARROW: usize = 64;
const SKIP: usize = 64;
const HIDDEN: usize = 64;
const CONFORMAL: &str = "bound.conformal";

/// A forecaster: `window` [batch, steps, features] to `forecast` and `upper`, both [batch, outputs], all in raw units.
///
/// LSTM 128, LSTM 64, of which the last state, beside 64 units that see the whole window at once, goes through 64 to a weight for each of
/// the simple forecasts (they add up to 1, so that the forecast is never beyond them: a rate greater than any in training is followed
/// like any other) and to the headroom in multiples of a scale: `upper = forecast + max(headroom + constant, 0) * scale`. The constant makes
/// the bound hold on as many windows of the validation set as was asked for (split conformal prediction, Romano, Patterson and Candès,
/// "Conformalized Quantile Regression", NeurIPS 2019).
#[derive(Debug)]
pub struct GatedNet {
    parameters: Parameters,
    scaling: Scaling,
    steps: usize,
    candidates: Candidates,
    conformal: Vec<f32>,
    layers: Layers,
}

/// What a network gives while it learns.
#[derive(Debug)]
pub struct Parts {
    /// The forecast [batch, outputs], raw units.
    pub forecast: Tensor,
    /// The headroom [batch, outputs] in multiples of the scale, without the constant; may be below zero.
    pub headroom: Tensor,
    /// The scale [batch, outputs], raw units, above zero.
    pub scale: Tensor,
}

#[derive(Debug)]
struct Layers {
    first: Lstm,
    second: Lstm,
    skip: Stack,
    head: Stack,
}

impl Layers {
    fn new(steps: usize, features: usize, outputs: usize) -> Self {
        let skip = vec![
            Layer::Linear { index: 0, inputs: steps * features, outputs: SKIP },
            Layer::Relu { index: 1 },
        ];
        let head = vec![
            Layer::Linear { index: 0, inputs: NARROW + SKIP, outputs: HIDDEN },
            Layer::Relu { index: 1 },
            Layer::Linear { index: 3, inputs: HIDDEN, outputs: outputs * (CANDIDATES + 1) },
        ];
        Self {
            first: Lstm::new("lstm1", features, WIDE),
            second: Lstm::new("lstm2", WIDE, NARROW),
            skip: Stack::new("skip", skip),
            head: Stack::new("gate", head),
        }
    }
}

impl GatedNet {
    /// A network with fresh weights over windows of `steps`, and no constant in its bound.
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
        let layers = Layers::new(steps, scaling.width(), candidates.outputs());
        let mut parameters = Parameters::new();
        let mut draw = Initialiser::new(rng);
        layers.first.init(&mut parameters, &mut draw)?;
        layers.second.init(&mut parameters, &mut draw)?;
        layers.skip.init(&mut parameters, &mut draw)?;
        layers.head.init(&mut parameters, &mut draw)?;
        let conformal = vec![0.0; candidates.outputs()];
        Ok(Self { parameters, scaling, steps, candidates, conformal, layers })
    }

    /// Whether this kind of network wrote an ONNX file.
    pub(super) fn wrote(onnx: &Initializers) -> bool {
        Candidates::are_in(onnx)
    }

    /// The network that wrote an ONNX file.
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
        let layers = Layers::new(steps, features, candidates.outputs());
        let mut parameters = Parameters::new();
        layers.first.read(&mut parameters, &onnx)?;
        layers.second.read(&mut parameters, &onnx)?;
        layers.skip.read(&mut parameters, &onnx)?;
        layers.head.read(&mut parameters, &onnx)?;
        let conformal = onnx.shaped(CONFORMAL, &[candidates.outputs()])?;
        Ok(Self { parameters, scaling, steps, candidates, conformal, layers })
    }

    /// Forecast, headroom and scale for `window` [batch, steps, features] in raw units.
    ///
    /// # Errors
    /// When the window has another shape.
    pub fn parts(&self, window: &Tensor) -> Result<Parts> {
        let (rows, outputs) = (window.dim(0)?, self.candidates.outputs());
        let scaled = self.scaling.forward(window)?;
        let x = scaled.transpose(0, 1)?.contiguous()?;
        let wide = self.layers.first.forward(&self.parameters, &x)?;
        let narrow = self.layers.second.forward(&self.parameters, &wide)?;
        let last = narrow.get(self.steps - 1)?;
        let flat = self.steps * self.scaling.width();
        let skip = self.layers.skip.forward(&self.parameters, &scaled.reshape((rows, flat))?)?;
        let y = self.layers.head.forward(&self.parameters, &Tensor::cat(&[&last, &skip], 1)?)?;
        let gates = y.narrow(1, 0, outputs * CANDIDATES)?.reshape((rows, outputs, CANDIDATES))?;
        let weights = candle_nn::ops::softmax(&gates, D::Minus1)?;
        let [candidates, scale] = self.candidates.forward(&window.reshape((rows, flat))?)?;
        Ok(Parts {
            forecast: (weights * candidates)?.sum(D::Minus1)?,
            headroom: y.narrow(1, outputs * CANDIDATES, outputs)?,
            scale,
        })
    }

    /// The constants in the bound, in multiples of the scale.
    pub fn conformal(&self) -> &[f32] {
        &self.conformal
    }

    /// Sets them, one for each output.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn set_conformal(&mut self, constants: Vec<f32>) -> Result<()> {
        ensure!(constants.len() == self.conformal.len(), "every output has one constant");
        self.conformal = constants;
        Ok(())
    }

    /// The gates [batch, outputs * candidates] and the headroom [batch, outputs] as nodes.
    fn emit_head(&self, graph: &mut GraphBuilder, window: &Value) -> Result<[Value; 2]> {
        let outputs = self.candidates.outputs();
        let flat = self.steps * self.scaling.width();
        let scaled = self.scaling.emit(graph, window)?;
        // ONNX Runtime's LSTM on the CPU takes time first.
        let x = graph.transpose("time_first", &scaled, &[1, 0, 2]);
        let [wide, _] = self.layers.first.emit(&self.parameters, graph, &x)?;
        let wide = graph.squeeze("lstm1.direction", &wide, 1);
        let [_, last] = self.layers.second.emit(&self.parameters, graph, &wide)?;
        let last = graph.squeeze("lstm2.direction", &last, 0);
        let scaled = graph.reshape("scaled.flat", &scaled, &[flat]);
        let skip = self.layers.skip.emit(&self.parameters, graph, &scaled)?;
        let both = graph.concat_columns("seen", &[&last, &skip]);
        let y = self.layers.head.emit(&self.parameters, graph, &both)?;
        Ok(graph.split_columns("heads", &y, [outputs * CANDIDATES, outputs]))
    }
}

impl Network for GatedNet {
    fn layer(&self) -> &'static str {
        "operational"
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    fn input(&self) -> Port {
        Port::new("window", &[self.steps, self.scaling.width()])
    }

    fn outputs(&self) -> Vec<Port> {
        let outputs = [self.candidates.outputs()];
        vec![Port::new("forecast", &outputs), Port::new("upper", &outputs)]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        let Parts { forecast, headroom, scale } = self.parts(batch)?;
        let constant = Tensor::from_slice(&self.conformal, self.conformal.len(), &Device::Cpu)?;
        let upper = (&forecast + (headroom.broadcast_add(&constant)?.relu()? * scale)?)?;
        Ok(vec![forecast, upper])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let outputs = self.candidates.outputs();
        let mut graph = GraphBuilder::new(self.layer());
        let axes = [Axis::Batch, Axis::Fixed(self.steps), Axis::Fixed(self.scaling.width())];
        let window = graph.input("window", &axes);
        let [gates, headroom] = self.emit_head(&mut graph, &window)?;
        let gates = graph.reshape("gates", &gates, &[outputs, CANDIDATES]);
        let weights = graph.softmax("weights", &gates);
        let flat = self.steps * self.scaling.width();
        let flat = graph.reshape("window.flat", &window, &[flat]);
        let [candidates, scale] = self.candidates.emit(&mut graph, &flat)?;
        let candidates = graph.reshape("candidates.by_output", &candidates, &[outputs, CANDIDATES]);
        let parts = graph.binary("Mul", "weighted", [&weights, &candidates]);
        let forecast = graph.sum("forecast.sum", &parts, 2);
        let constant = graph.constant(CONFORMAL, &[outputs], &self.conformal)?;
        let headroom = graph.binary("Add", "headroom", [&headroom, &constant]);
        let headroom = graph.unary("Relu", "headroom.floor", &headroom);
        let headroom = graph.binary("Mul", "headroom.scaled", [&headroom, &scale]);
        let upper = graph.binary("Add", "upper.sum", [&forecast, &headroom]);
        // The forecast goes on into the bound: its output is a node of its own.
        let forecast = graph.unary("Identity", "forecast.output", &forecast);
        let axes = [Axis::Batch, Axis::Fixed(outputs)];
        graph.output("forecast", &forecast, &axes)?;
        graph.output("upper", &upper, &axes)?;
        Ok(graph.finish())
    }
}
