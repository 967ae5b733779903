//! The strategic network: which provider?

use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Initialiser, Network, Parameters, Port, advice::Advice, stack::Stack};
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
/// Workload and application features are encoded apart (64 and 32 wide), joined and fused through
/// 128 and 64.
#[derive(Debug)]
pub struct StrategicNet {
    parameters: Parameters,
    scaling: Scaling,
    workload: usize,
    providers: usize,
    stacks: Stacks,
    advice: Option<Advice>,
}

#[derive(Debug)]
struct Stacks {
    workload: Stack,
    application: Stack,
    fusion: Stack,
}

impl Stacks {
    fn new(workload: usize, application: usize, providers: usize) -> Self {
        Self {
            workload: Stack::encoder("strategic_encoder", workload, WORKLOAD_WIDTH),
            application: Stack::encoder("app_context_encoder", application, APPLICATION_WIDTH),
            fusion: Stack::head("fusion", [WORKLOAD_WIDTH + APPLICATION_WIDTH, 128, 64, providers]),
        }
    }

    fn all(&self) -> [&Stack; 3] {
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
        let application = group_width(&scaling, workload)?;
        let stacks = Stacks::new(workload, application, providers);
        let mut parameters = Parameters::new();
        let mut draw = Initialiser::new(rng);
        for stack in stacks.all() {
            stack.init(&mut parameters, &mut draw)?;
        }
        Ok(Self { parameters, scaling, workload, providers, stacks, advice: None })
    }

    /// The same network on advice: the last columns are a number for each provider, of which the Q-values start as `gain`
    /// times, and learning adds to that.
    ///
    /// # Errors
    /// When there are fewer columns, or it is advised already.
    pub fn advised(mut self, gain: f32) -> Result<Self> {
        let sizes = [self.scaling.width(), self.providers];
        self.advice = Some(Advice::init(sizes, gain, &mut self.parameters, OUTPUT)?);
        Ok(self)
    }

    /// The network that wrote an ONNX file.
    ///
    /// # Errors
    /// When the file is not one of ours for this layer.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self> {
        let onnx = Initializers::decode(bytes)?;
        let scaling = Scaling::read(&onnx)?;
        let workload = axis(&onnx, WORKLOAD_WEIGHT, 1)?;
        let providers = axis(&onnx, OUTPUT_WEIGHT, 0)?;
        let application = group_width(&scaling, workload)?;
        let stacks = Stacks::new(workload, application, providers);
        let mut parameters = Parameters::new();
        for stack in stacks.all() {
            stack.read(&mut parameters, &onnx)?;
        }
        let advice = Advice::read([scaling.width(), providers], &mut parameters, &onnx)?;
        Ok(Self { parameters, scaling, workload, providers, stacks, advice })
    }

    /// Q-values [batch, providers] of `state` [batch, features] in raw units.
    ///
    /// # Errors
    /// When the state has another width.
    pub fn q_values(&self, state: &Tensor) -> Result<Tensor> {
        let x = self.scaling.forward(state)?;
        let application = self.scaling.width() - self.workload;
        let left = x.narrow(1, 0, self.workload)?.contiguous()?;
        let right = x.narrow(1, self.workload, application)?.contiguous()?;
        let left = self.stacks.workload.forward(&self.parameters, &left)?;
        let right = self.stacks.application.forward(&self.parameters, &right)?;
        let joined = Tensor::cat(&[left, right], 1)?;
        let learnt = self.stacks.fusion.forward(&self.parameters, &joined)?;
        match self.advice {
            Some(advice) => advice.add(&self.parameters, state, &learnt),
            None => Ok(learnt),
        }
    }

    /// How many actions it tells apart.
    pub fn actions(&self) -> usize {
        self.providers
    }
}

impl Network for StrategicNet {
    fn layer(&self) -> &'static str {
        "strategic"
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    fn input(&self) -> Port {
        Port::new("state", &[self.scaling.width()])
    }

    fn outputs(&self) -> Vec<Port> {
        vec![Port::new("q_values", &[self.providers])]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.q_values(batch)?])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let mut graph = GraphBuilder::new(self.layer());
        let state = graph.input("state", &[Axis::Batch, Axis::Fixed(self.scaling.width())]);
        let x = self.scaling.emit(&mut graph, &state)?;
        let application = self.scaling.width() - self.workload;
        let parts = graph.split_columns("groups", &x, [self.workload, application]);
        let left = self.stacks.workload.emit(&self.parameters, &mut graph, &parts[0])?;
        let right = self.stacks.application.emit(&self.parameters, &mut graph, &parts[1])?;
        let joined = graph.concat_columns("join", &[&left, &right]);
        let learnt = self.stacks.fusion.emit(&self.parameters, &mut graph, &joined)?;
        let q_values = match self.advice {
            Some(advice) => advice.emit(&self.parameters, &mut graph, [&state, &learnt])?,
            None => learnt,
        };
        graph.output("q_values", &q_values, &[Axis::Batch, Axis::Fixed(self.providers)])?;
        Ok(graph.finish())
    }
}

fn group_width(scaling: &Scaling, workload: usize) -> Result<usize> {
    ensure!(
        workload > 0 && workload < scaling.width(),
        "{workload} of {} features cannot be workload features: both groups need one",
        scaling.width()
    );
    Ok(scaling.width() - workload)
}

/// The size of one axis of an initializer.
pub(super) fn axis(onnx: &Initializers, name: &str, axis: usize) -> Result<usize> {
    let (shape, _) = onnx.get(name)?;
    shape.get(axis).copied().with_context(|| format!("initializer {name} has no axis {axis}"))
}
