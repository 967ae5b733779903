//! The tactical network: which region and how much memory?

use anyhow::Result;
use candle_core::Tensor;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    advice::Advice,
    network::{Network, Port, Weights},
    sequential::{self, Module, Sequential},
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
/// The shared trunk is 128 wide; the actor has 128 and 64 units, the critic 64. An action is
/// `region * memory tiers + memory tier`.
#[derive(Debug)]
pub struct TacticalNet {
    weights: Weights,
    actions: usize,
    stacks: Stacks,
    advice: Advice,
}

#[derive(Debug)]
struct Stacks {
    shared: Sequential,
    actor: Sequential,
    critic: Sequential,
}

impl Stacks {
    fn new(features: usize, actions: usize) -> Self {
        let critic = vec![
            Module::Linear { index: 0, inputs: SHARED_WIDTH, outputs: 64 },
            Module::Relu { index: 1 },
            Module::Norm { index: 2, width: 64 },
            Module::Linear { index: 3, inputs: 64, outputs: 1 },
        ];
        Self {
            shared: Sequential::encoder("shared", features, SHARED_WIDTH),
            actor: Sequential::head("actor", [SHARED_WIDTH, 128, 64, actions]),
            critic: Sequential::new("critic", critic),
        }
    }

    fn all(&self) -> [&Sequential; 3] {
        [&self.shared, &self.actor, &self.critic]
    }
}

impl TacticalNet {
    /// A network with fresh weights for `actions` pairs of region and memory tier.
    ///
    /// # Errors
    /// Never for a valid scaling.
    pub fn new(scaling: Scaling, actions: usize, rng: &mut Xoshiro256PlusPlus) -> Result<Self> {
        let stacks = Stacks::new(scaling.width(), actions);
        let weights = Weights { parameters: sequential::init(stacks.all(), rng)?, scaling };
        Ok(Self { weights, actions, stacks, advice: Advice::NONE })
    }

    /// The same network on advice: the last columns of the input are a number for each action. The
    /// logits start as `gain` times that number, and learning adds to them.
    ///
    /// # Errors
    /// When there are fewer columns than actions, or the network has advice already.
    pub fn advised(mut self, gain: f32) -> Result<Self> {
        let sizes = [self.weights.scaling.width(), self.actions];
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
        let actions = onnx.axis(OUTPUT_WEIGHT, 0)?;
        let stacks = Stacks::new(scaling.width(), actions);
        let mut parameters = sequential::read(stacks.all(), &onnx)?;
        let advice = Advice::read([scaling.width(), actions], &mut parameters, &onnx)?;
        Ok(Self { weights: Weights { parameters, scaling }, actions, stacks, advice })
    }

    /// Logits [batch, actions] and value [batch, 1] of `state` [batch, features] in raw units.
    ///
    /// # Errors
    /// When the state has another width.
    pub fn act(&self, state: &Tensor) -> Result<(Tensor, Tensor)> {
        let Weights { parameters, scaling } = &self.weights;
        let x = scaling.forward(state)?;
        let trunk = self.stacks.shared.forward(parameters, &x)?;
        let learnt = self.stacks.actor.forward(parameters, &trunk)?;
        let logits = self.advice.add(parameters, state, learnt)?;
        let value = self.stacks.critic.forward(parameters, &trunk)?;
        Ok((logits, value))
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }
}

impl Network for TacticalNet {
    fn layer(&self) -> &'static str {
        "tactical"
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn input(&self) -> Port {
        Port::new("state", &[self.scaling().width()])
    }

    fn outputs(&self) -> Vec<Port> {
        vec![Port::new("logits", &[self.actions]), Port::new("value", &[1])]
    }

    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>> {
        let (logits, value) = self.act(batch)?;
        Ok(vec![logits, value])
    }

    fn to_onnx(&self) -> Result<Vec<u8>> {
        let Weights { parameters, scaling } = &self.weights;
        let mut graph = GraphBuilder::new(self.layer());
        let state = graph.input("state", &[Axis::Batch, Axis::Fixed(scaling.width())]);
        let x = scaling.emit(&mut graph, &state)?;
        let trunk = self.stacks.shared.emit(parameters, &mut graph, &x)?;
        let learnt = self.stacks.actor.emit(parameters, &mut graph, &trunk)?;
        let logits = self.advice.emit(parameters, &mut graph, [&state, &learnt])?;
        let value = self.stacks.critic.emit(parameters, &mut graph, &trunk)?;
        graph.output("logits", &logits, &[Axis::Batch, Axis::Fixed(self.actions)])?;
        graph.output("value", &value, &[Axis::Batch, Axis::Fixed(1)])?;
        Ok(graph.finish())
    }
}
