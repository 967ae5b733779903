//! A chain of layers that runs in candle and writes itself as ONNX nodes, so that the two cannot
//! drift apart.

use anyhow::Result;
use candle_core::{D, Tensor};

use super::parameters::{Initialiser, Parameters};
use crate::onnx::{GraphBuilder, Initializers, Value};

/// PyTorch's default for `LayerNorm`.
const EPSILON: f32 = 1e-5;

/// One layer of a [`Stack`], at its index in the PyTorch `Sequential` (activations and dropout
/// count there too).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// `weight` [outputs, inputs] and `bias` [outputs].
    Linear {
        index: usize,
        inputs: usize,
        outputs: usize,
    },
    /// `weight` and `bias` [width].
    Norm {
        index: usize,
        width: usize,
    },
    Relu {
        index: usize,
    },
}

/// Layers in order under one checkpoint prefix, such as `fusion`: [batch, in] to [batch, out].
#[derive(Debug, Clone)]
pub(super) struct Stack {
    prefix: &'static str,
    layers: Vec<Layer>,
}

impl Stack {
    pub(super) fn new(prefix: &'static str, layers: Vec<Layer>) -> Self {
        Self { prefix, layers }
    }

    /// Linear-ReLU-LayerNorm at indices 0, 1 and 2.
    pub(super) fn encoder(prefix: &'static str, inputs: usize, outputs: usize) -> Self {
        Self::new(prefix, encoder_layers(inputs, outputs))
    }

    /// Linear-ReLU-LayerNorm-(dropout)-Linear-ReLU-Linear, with the linear layers at indices 0, 4
    /// and 6.
    pub(super) fn head(prefix: &'static str, widths: [usize; 4]) -> Self {
        let [inputs, wide, narrow, outputs] = widths;
        let mut layers = encoder_layers(inputs, wide);
        layers.extend([
            Layer::Linear { index: 4, inputs: wide, outputs: narrow },
            Layer::Relu { index: 5 },
            Layer::Linear { index: 6, inputs: narrow, outputs },
        ]);
        Self::new(prefix, layers)
    }

    fn tensor(&self, index: usize, tensor: &str) -> String {
        format!("{}.{index}.{tensor}", self.prefix)
    }

    /// Draws initial parameters into `parameters`.
    pub(super) fn init(
        &self,
        parameters: &mut Parameters,
        draw: &mut Initialiser<'_>,
    ) -> Result<()> {
        for layer in &self.layers {
            match *layer {
                Layer::Linear { index, inputs, outputs } => {
                    let weight = draw.uniform(outputs * inputs, inputs);
                    parameters.insert(&self.tensor(index, "weight"), &[outputs, inputs], weight)?;
                    let bias = draw.uniform(outputs, inputs);
                    parameters.insert(&self.tensor(index, "bias"), &[outputs], bias)?;
                }
                Layer::Norm { index, width } => {
                    parameters.insert(&self.tensor(index, "weight"), &[width], vec![1.0; width])?;
                    parameters.insert(&self.tensor(index, "bias"), &[width], vec![0.0; width])?;
                }
                Layer::Relu { .. } => {}
            }
        }
        Ok(())
    }

    /// Reads the parameters back from an ONNX file that [`Self::emit`] wrote.
    pub(super) fn read(&self, parameters: &mut Parameters, onnx: &Initializers) -> Result<()> {
        for layer in &self.layers {
            let (index, weight, bias) = match *layer {
                Layer::Linear { index, inputs, outputs } => {
                    (index, vec![outputs, inputs], vec![outputs])
                }
                Layer::Norm { index, width } => (index, vec![width], vec![width]),
                Layer::Relu { .. } => continue,
            };
            for (tensor, shape) in [("weight", weight), ("bias", bias)] {
                let name = self.tensor(index, tensor);
                parameters.insert(&name, &shape, onnx.shaped(&name, &shape)?)?;
            }
        }
        Ok(())
    }

    /// Runs `x` [batch, in] through the layers.
    pub(super) fn forward(&self, parameters: &Parameters, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = match *layer {
                Layer::Linear { index, .. } => {
                    let weight = parameters.get(&self.tensor(index, "weight"))?;
                    let bias = parameters.get(&self.tensor(index, "bias"))?;
                    x.matmul(&weight.t()?)?.broadcast_add(bias)?
                }
                Layer::Norm { index, .. } => {
                    let weight = parameters.get(&self.tensor(index, "weight"))?;
                    let bias = parameters.get(&self.tensor(index, "bias"))?;
                    normalise(&x)?.broadcast_mul(weight)?.broadcast_add(bias)?
                }
                Layer::Relu { .. } => x.relu()?,
            };
        }
        Ok(x)
    }

    /// Writes the layers as nodes, parameters under their checkpoint names.
    pub(super) fn emit(
        &self,
        parameters: &Parameters,
        graph: &mut GraphBuilder,
        x: &Value,
    ) -> Result<Value> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = match *layer {
                Layer::Linear { index, .. } => {
                    let [weight, bias] = self.constants(index, parameters, graph)?;
                    graph.linear(&format!("{}.{index}", self.prefix), [&x, &weight, &bias])
                }
                Layer::Norm { index, .. } => {
                    let [weight, bias] = self.constants(index, parameters, graph)?;
                    let name = format!("{}.{index}", self.prefix);
                    graph.layer_norm(&name, [&x, &weight, &bias], EPSILON)
                }
                Layer::Relu { index } => {
                    graph.unary("Relu", &format!("{}.{index}", self.prefix), &x)
                }
            };
        }
        Ok(x)
    }

    fn constants(
        &self,
        index: usize,
        parameters: &Parameters,
        graph: &mut GraphBuilder,
    ) -> Result<[Value; 2]> {
        let mut constant = |tensor: &str| {
            let name = self.tensor(index, tensor);
            graph.constant(&name, &parameters.shape(&name)?, &parameters.values(&name)?)
        };
        Ok([constant("weight")?, constant("bias")?])
    }
}

fn encoder_layers(inputs: usize, outputs: usize) -> Vec<Layer> {
    vec![
        Layer::Linear { index: 0, inputs, outputs },
        Layer::Relu { index: 1 },
        Layer::Norm { index: 2, width: outputs },
    ]
}

/// Zero mean and unit variance along the last axis. Written out because candle's fused operator has
/// no gradient.
fn normalise(x: &Tensor) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    Ok(centred.broadcast_div(&(variance + f64::from(EPSILON))?.sqrt()?)?)
}
