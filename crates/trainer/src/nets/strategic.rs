//! The strategic network: which provider?

use anyhow::{Result, ensure};
use candle_core::Tensor;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    advice::Advice,
    network::{Network, Port, Weights},
    sequential::{self, Sequential},
};
use crate::{
    onnx::{Axis, GraphBuilder, Initializers},
    scaling::Scaling,
};

const WORKLOAD_WIDTH: usize = 64;
const APPLICATION_WIDTH: usize = 32;
const WORKLOAD_WEIGHT: &str = "strategic_encoder.0.weight";
const OUTPUT: &str = "fusion.6";
const OUTPUT_WEIGHT: &str = "fusion.6.weight";

/// A Q-network without duelling heads: `state` [batch, workload + application] to `q_values`
/// [batch, providers].
///
/// Two encoders, 64 and 32 wide, take the workload features and the application features. Their
/// outputs are concatenated and fused through 128 and 64 units.
#[derive(Debug)]
pub struct StrategicNet {
    weights: Weights,
    workload: usize,
    providers: usize,
    stacks: Stacks,
    advice: Advice,
}

#[derive(Debug)]
struct Stacks {
    workload: Sequential,
    application: Sequential,
    fusion: Sequential,
}

impl Stacks {
    fn new(workload: usize, application: usize, providers: usize) -> Self {
        let fused = [WORKLOAD_WIDTH + APPLICATION_WIDTH, 128, 64, providers];
        Self {
            workload: Sequential::encoder("strategic_encoder", workload, WORKLOAD_WIDTH),
            application: Sequential::encoder("app_context_encoder", application, APPLICATION_WIDTH),
            fusion: Sequential::head("fusion", fused),
        }
    }

    fn all(&self) -> [&Sequential; 3] {
        [&self.workload, &self.application, &self.fusion]
    }
}

impl StrategicNet {
    /// A network with fresh weights. The first `workload` columns of `scaling` are workload
    /// features, the rest describe the application.
    ///
    /// # Errors
    /// When one of the two groups is empty.
    pub fn new(
        scaling: Scaling,
        workload: usize,
        providers: usize,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self> {
        let application = application_width(&scaling, workload)?;
        let stacks = Stacks::new(workload, application, providers);
        let weights = Weights { parameters: sequential::init(stacks.all(), rng)?, scaling };
        Ok(Self { weights, workload, providers, stacks, advice: Advice::NONE })
    }

    /// The same network on advice: the last columns of the input are a number for each provider.
    /// The Q-values start as `gain` times that number, and learning adds to them.
    ///
    /// # Errors
    /// When there are fewer columns than providers, or the network has advice already.
    pub fn advised(mut self, gain: f32) -> Result<Self> {
        let sizes = [self.weights.scaling.width(), self.providers];
        self.advice = Advice::init(sizes, gain, &mut self.weights.parameters, OUTPUT)?;
        Ok(self)
    }

    /// Rebuilds the network that wrote an ONNX file.
    ///
    /// # Errors
    /// When the file is not one of ours for this layer.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self> {
        let onnx = Initializers::decode(bytes)?;
        let scaling = Scaling::read(&onnx)?;
        let workload = onnx.axis(WORKLOAD_WEIGHT, 1)?;
        let providers = onnx.axis(OUTPUT_WEIGHT, 0)?;
        let application = application_width(&scaling, workload)?;
        let stacks = Stacks::new(workload, application, providers);
        let mut parameters = sequential::read(stacks.all(), &onnx)?;
        let advice = Advice::read([scaling.width(), providers], &mut parameters, &onnx)?;
        let weights = Weights { parameters, scaling };
        Ok(Self { weights, workload, providers, stacks, advice })
    }

    /// Q-values [batch, providers] of `state` [batch, features] in raw units.
    ///
    /// # Errors
    /// When the state has another width.
    pub fn q_values(&self, state: &Tensor) -> Result<Tensor> {
        let Weights { parameters, scaling } = &self.weights;
        let x = scaling.forward(state)?;
        let application = scaling.width() - self.workload;
        let left = x.narrow(1, 0, self.workload)?.contiguous()?;
        let right = x.narrow(1, self.workload, application)?.contiguous()?;
        let left = self.stacks.workload.forward(parameters, &left)?;
        let right = self.stacks.application.forward(parameters, &right)?;
        let joined = Tensor::cat(&[left, right], 1)?;
        let learnt = self.stacks.fusion.forward(parameters, &joined)?;
        self.advice.add(parameters, state, learnt)
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.providers
    }
}

impl Network for StrategicNet {
    fn layer(&self) -> &'static str {
        "strategic"
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn input(&self) -> Port {
        Port::new("state", &[self.scaling().width()])
    }

    fn outputs(&self) -> Vec<Port> {
        vec![Port::new("q_values", &[self.providers])]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.q_values(batch)?])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let Weights { parameters, scaling } = &self.weights;
        let mut graph = GraphBuilder::new(self.layer());
        let state = graph.input("state", &[Axis::Batch, Axis::Fixed(scaling.width())]);
        let x = scaling.emit(&mut graph, &state)?;
        let application = scaling.width() - self.workload;
        let parts = graph.split_columns("groups", &x, [self.workload, application]);
        let left = self.stacks.workload.emit(parameters, &mut graph, &parts[0])?;
        let right = self.stacks.application.emit(parameters, &mut graph, &parts[1])?;
        let joined = graph.concat_columns("join", &[&left, &right]);
        let learnt = self.stacks.fusion.emit(parameters, &mut graph, &joined)?;
        let q_values = self.advice.emit(parameters, &mut graph, [&state, &learnt])?;
        graph.output("q_values", &q_values, &[Axis::Batch, Axis::Fixed(self.providers)])?;
        Ok(graph.finish())
    }
}

/// The number of columns that describe the application.
fn application_width(scaling: &Scaling, workload: usize) -> Result<usize> {
    ensure!(
        workload > 0 && workload < scaling.width(),
        "{workload} of {} features cannot be workload features: both groups need one",
        scaling.width()
    );
    Ok(scaling.width() - workload)
}
