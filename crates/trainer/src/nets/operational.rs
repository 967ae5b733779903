//! The operational network of version 1: an LSTM that forecasts the next step of a function.

use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    lstm::Lstm,
    network::{Network, Port, Weights},
    parameters::{Initialiser, Parameters},
    sequential::{Module, Sequential},
};
use crate::{
    onnx::{Axis, GraphBuilder, Initializers, Value},
    scaling::Scaling,
};

const WIDE: usize = 128;
const NARROW: usize = 64;
const HIDDEN: usize = 32;
const INPUT_WEIGHT: &str = "lstm1.W";
const LOG_SPAN: &str = "output.log_span";

/// How an output of the network in [0, 1] becomes raw units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutputRange {
    /// `exp(y * log_span) - 1`: a rate between 0 and `exp(log_span) - 1`.
    Log1p {
        /// ln(1 + the greatest rate in 1/s); above zero.
        log_span: f32,
    },
    /// `y`: a utilisation between 0 and 1.
    Fraction,
}

impl OutputRange {
    fn log_span(self) -> f32 {
        match self {
            Self::Log1p { log_span } => log_span,
            Self::Fraction => 0.0,
        }
    }

    fn from_log_span(span: f32) -> Self {
        if span == 0.0 { Self::Fraction } else { Self::Log1p { log_span: span } }
    }

    fn normalise(self, raw: f32) -> f32 {
        match self {
            Self::Log1p { log_span } => raw.max(0.0).ln_1p() / log_span,
            Self::Fraction => raw,
        }
    }
}

/// A forecaster: `window` [batch, steps, features], oldest step first, to `forecast`
/// [batch, outputs], both in raw units.
///
/// Two LSTM layers of 128 and 64 units; the last hidden state goes through 32 units to the outputs.
#[derive(Debug)]
pub struct OperationalNet {
    weights: Weights,
    steps: usize,
    outputs: Vec<OutputRange>,
    layers: Layers,
}

#[derive(Debug)]
struct Layers {
    first: Lstm,
    second: Lstm,
    head: Sequential,
}

impl Layers {
    fn new(features: usize, outputs: usize) -> Self {
        let head = vec![
            Module::Linear { index: 0, inputs: NARROW, outputs: HIDDEN },
            Module::Relu { index: 1 },
            Module::Linear { index: 3, inputs: HIDDEN, outputs },
        ];
        Self {
            first: Lstm::new("lstm1", features, WIDE),
            second: Lstm::new("lstm2", WIDE, NARROW),
            head: Sequential::new("fc", head),
        }
    }
}

impl OperationalNet {
    /// A network with fresh weights over windows of `steps`.
    ///
    /// # Errors
    /// When there is no output or no step.
    pub fn new(
        scaling: Scaling,
        steps: usize,
        outputs: Vec<OutputRange>,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self> {
        ensure!(steps > 0 && !outputs.is_empty(), "a forecast needs steps and outputs");
        let layers = Layers::new(scaling.width(), outputs.len());
        let mut parameters = Parameters::new();
        let mut draw = Initialiser::new(rng);
        layers.first.init(&mut parameters, &mut draw)?;
        layers.second.init(&mut parameters, &mut draw)?;
        layers.head.init(&mut parameters, &mut draw)?;
        Ok(Self { weights: Weights { parameters, scaling }, steps, outputs, layers })
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
            features == scaling.width() && features == onnx.axis(INPUT_WEIGHT, 2)?,
            "the input has {features} features, its scaling {}",
            scaling.width()
        );
        let outputs: Vec<OutputRange> =
            onnx.values(LOG_SPAN)?.into_iter().map(OutputRange::from_log_span).collect();
        let layers = Layers::new(features, outputs.len());
        let mut parameters = Parameters::new();
        layers.first.read(&mut parameters, &onnx)?;
        layers.second.read(&mut parameters, &onnx)?;
        layers.head.read(&mut parameters, &onnx)?;
        Ok(Self { weights: Weights { parameters, scaling }, steps, outputs, layers })
    }

    /// The forecast [batch, outputs] before it is clipped to [0, 1] and converted to raw units: a
    /// loss on it still has a gradient outside the bounds. `window` [batch, steps, features] is in
    /// raw units.
    ///
    /// # Errors
    /// When the window has another shape.
    pub fn normalised(&self, window: &Tensor) -> Result<Tensor> {
        let Weights { parameters, scaling } = &self.weights;
        let x = scaling.forward(window)?;
        let x = x.transpose(0, 1)?.contiguous()?;
        let wide = self.layers.first.forward(parameters, &x)?;
        let narrow = self.layers.second.forward(parameters, &wide)?;
        let last = narrow.get(self.steps - 1)?;
        self.layers.head.forward(parameters, &last)
    }

    /// The target of [`Self::normalised`] for `outcome` (one value per output, raw units).
    pub fn normalise(&self, outcome: &[f32]) -> Vec<f32> {
        self.outputs.iter().zip(outcome).map(|(range, &raw)| range.normalise(raw)).collect()
    }

    /// The forecast [batch, outputs] in raw units.
    ///
    /// # Errors
    /// When the window has another shape.
    pub fn forecast(&self, window: &Tensor) -> Result<Tensor> {
        let bounded = self.normalised(window)?.relu()?.minimum(1f32)?;
        let row = |values: Vec<f32>| Tensor::from_vec(values, self.outputs.len(), &Device::Cpu);
        let linear = bounded.broadcast_mul(&row(self.fraction_mask())?)?;
        let grown = (bounded.broadcast_mul(&row(self.log_spans())?)?.exp()? - 1.0)?;
        Ok((linear + grown)?)
    }

    /// Writes the conversion from the network's output `y` to raw units as nodes.
    fn emit_outputs(&self, graph: &mut GraphBuilder, y: &Value) -> Result<Value> {
        let width = [self.outputs.len()];
        let one = graph.constant("output.one", &width, &vec![1.0; self.outputs.len()])?;
        let mask = graph.constant("output.fraction", &width, &self.fraction_mask())?;
        let span = graph.constant(LOG_SPAN, &width, &self.log_spans())?;
        let positive = graph.unary("Relu", "output.floor", y);
        let bounded = graph.binary("Min", "output.ceil", [&positive, &one]);
        let linear = graph.binary("Mul", "output.select_fraction", [&bounded, &mask]);
        let exponent = graph.binary("Mul", "output.exponent", [&bounded, &span]);
        let grown = graph.unary("Exp", "output.grow", &exponent);
        let raw = graph.binary("Sub", "output.minus_one", [&grown, &one]);
        Ok(graph.binary("Add", "output.join", [&linear, &raw]))
    }

    /// ln(1 + greatest rate) where the output is a rate; 0 elsewhere, where `exp(0) - 1` adds
    /// nothing.
    fn log_spans(&self) -> Vec<f32> {
        self.outputs.iter().map(|range| range.log_span()).collect()
    }

    fn fraction_mask(&self) -> Vec<f32> {
        self.outputs.iter().map(|r| f32::from(u8::from(*r == OutputRange::Fraction))).collect()
    }
}

impl Network for OperationalNet {
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
        vec![Port::new("forecast", &[self.outputs.len()])]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.forecast(batch)?])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let Weights { parameters, scaling } = &self.weights;
        let mut graph = GraphBuilder::new(self.layer());
        let axes = [Axis::Batch, Axis::Fixed(self.steps), Axis::Fixed(scaling.width())];
        let window = graph.input("window", &axes);
        let x = scaling.emit(&mut graph, &window)?;
        // ONNX Runtime's LSTM on the CPU takes the time axis first.
        let x = graph.transpose("time_first", &x, &[1, 0, 2]);
        let [wide, _] = self.layers.first.emit(parameters, &mut graph, &x)?;
        let wide = graph.squeeze("lstm1.direction", &wide, 1);
        let [_, last] = self.layers.second.emit(parameters, &mut graph, &wide)?;
        let last = graph.squeeze("lstm2.direction", &last, 0);
        let y = self.layers.head.emit(parameters, &mut graph, &last)?;
        let forecast = self.emit_outputs(&mut graph, &y)?;
        graph.output("forecast", &forecast, &[Axis::Batch, Axis::Fixed(self.outputs.len())])?;
        Ok(graph.finish())
    }
}
