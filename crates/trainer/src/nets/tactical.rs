//! The tactical network: which region and how much memory?

use anyhow::Result;
use candle_core::Tensor;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Initialiser, Network, Parameters, Port,
    advice::Advice,
    stack::{Layer, Stack},
    strategic::axis,
};
use crate::{
    onnx::{Axis, GraphBuilder, Initializers},
    scaling::Scaling,
};

const SHARED_WIDTH: usize = 128;
const OUTPUT: &str = "actor.6";
const OUTPUT_WEIGHT: &str = "actor.6.weight";

/// An actor-critic: `state` [batch, features] to `logits` [batch, actions] and `value` [batch, 1].
///
/// The trunk is 128 wide; the actor has 128 and 64, the critic 64. Action = region * memory tiers +
/// memory tier.
#[derive(Debug)]
pub struct TacticalNet {
    parameters: Parameters,
    scaling: Scaling,
    actions: usize,
    stacks: Stacks,
    advice: Option<Advice>,
}

#[derive(Debug)]
struct Stacks {
    shared: Stack,
    actor: Stack,
    critic: Stack,
}

impl Stacks {
    fn new(features: usize, actions: usize) -> Self {
        let critic = vec![
            Layer::Linear { index: 0, inputs: SHARED_WIDTH, outputs: 64 },
            Layer::Relu { index: 1 },
            Layer::Norm { index: 2, width: 64 },
            Layer::Linear { index: 3, inputs: 64, outputs: 1 },
        ];
        Self {
            shared: Stack::encoder("shared", features, SHARED_WIDTH),
            actor: Stack::head("actor", [SHARED_WIDTH, 128, 64, actions]),
            critic: Stack::new("critic", critic),
        }
    }

    fn all(&self) -> [&Stack; 3] {
        [&self.shared, &self.actor, &self.critic]
    }
}

impl TacticalNet {
    /// A network with fresh weights for `actions` placements.
    ///
    /// # Errors
    /// Never for a valid scaling.
    pub fn new(scaling: Scaling, actions: usize, rng: &mut Xoshiro256PlusPlus) -> Result<Self> {
        let stacks = Stacks::new(scaling.width(), actions);
        let mut parameters = Parameters::new();
        let mut draw = Initialiser::new(rng);
        for stack in stacks.all() {
            stack.init(&mut parameters, &mut draw)?;
        }
        Ok(Self { parameters, scaling, actions, stacks, advice: None })
    }

    /// The same network on advice: the last columns are a number for each action, of which the logits start as `gain`
    /// times, and learning adds to that.
    ///
    /// # Errors
    /// When there are fewer columns, or it is advised already.
    pub fn advised(mut self, gain: f32) -> Result<Self> {
        let sizes = [self.scaling.width(), self.actions];
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
        let actions = axis(&onnx, OUTPUT_WEIGHT, 0)?;
        let stacks = Stacks::new(scaling.width(), actions);
        let mut parameters = Parameters::new();
        for stack in stacks.all() {
            stack.read(&mut parameters, &onnx)?;
        }
        let advice = Advice::read([scaling.width(), actions], &mut parameters, &onnx)?;
        Ok(Self { parameters, scaling, actions, stacks, advice })
    }

    /// Logits [batch, actions] and value [batch, 1] of `state` [batch, features] in raw units.
    ///
    /// # Errors
    /// When the state has another width.
    pub fn act(&self, state: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.scaling.forward(state)?;
        let trunk = self.stacks.shared.forward(&self.parameters, &x)?;
        let learnt = self.stacks.actor.forward(&self.parameters, &trunk)?;
        let logits = match self.advice {
            Some(advice) => advice.add(&self.parameters, state, &learnt)?,
            None => learnt,
        };
        let value = self.stacks.critic.forward(&self.parameters, &trunk)?;
        Ok((logits, value))
    }

    /// How many actions it tells apart.
    pub fn actions(&self) -> usize {
        self.actions
    }
}

impl Network for TacticalNet {
    fn layer(&self) -> &'static str {
        "tactical"
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
        vec![Port::new("logits", &[self.actions]), Port::new("value", &[1])]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        let (logits, value) = self.act(batch)?;
        Ok(vec![logits, value])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let mut graph = GraphBuilder::new(self.layer());
        let state = graph.input("state", &[Axis::Batch, Axis::Fixed(self.scaling.width())]);
        let x = self.scaling.emit(&mut graph, &state)?;
        let trunk = self.stacks.shared.emit(&self.parameters, &mut graph, &x)?;
        let learnt = self.stacks.actor.emit(&self.parameters, &mut graph, &trunk)?;
        let logits = match self.advice {
            Some(advice) => advice.emit(&self.parameters, &mut graph, [&state, &learnt])?,
            None => learnt,
        };
        let value = self.stacks.critic.emit(&self.parameters, &mut graph, &trunk)?;
        graph.output("logits", &logits, &[Axis::Batch, Axis::Fixed(self.actions)])?;
        graph.output("value", &value, &[Axis::Batch, Axis::Fixed(1)])?;
        Ok(graph.finish())
    }
}
