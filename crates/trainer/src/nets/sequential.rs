//! A chain of modules, as PyTorch's `Sequential`, that runs in candle and writes itself as ONNX
//! nodes. One description serves both, so that they cannot drift apart.

use anyhow::Result;
use candle_core::{D, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::parameters::{Initialiser, Parameters};
use crate::onnx::{GraphBuilder, Initializers, Value};

/// PyTorch's default for `LayerNorm`.
const EPSILON: f32 = 1e-5;

/// One module of a [`Sequential`]. `index` is its position in the PyTorch `Sequential`, where
/// activations and dropout count too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
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

/// Modules in order under one checkpoint prefix such as `fusion`: [batch, in] to [batch, out].
#[derive(Debug, Clone)]
pub(super) struct Sequential {
    prefix: &'static str,
    modules: Vec<Module>,
}

impl Sequential {
    pub(super) fn new(prefix: &'static str, modules: Vec<Module>) -> Self {
        Self { prefix, modules }
    }

    /// Linear-ReLU-LayerNorm at indices 0, 1 and 2.
    pub(super) fn encoder(prefix: &'static str, inputs: usize, outputs: usize) -> Self {
        Self::new(prefix, encoder_modules(inputs, outputs))
    }

    /// Linear-ReLU-LayerNorm-(dropout)-Linear-ReLU-Linear, with the linear modules at indices 0, 4
    /// and 6. `widths` are those of the input, the two hidden modules and the output.
    pub(super) fn head(prefix: &'static str, widths: [usize; 4]) -> Self {
        let [inputs, wide, narrow, outputs] = widths;
        let mut modules = encoder_modules(inputs, wide);
        modules.extend([
            Module::Linear { index: 4, inputs: wide, outputs: narrow },
            Module::Relu { index: 5 },
            Module::Linear { index: 6, inputs: narrow, outputs },
        ]);
        Self::new(prefix, modules)
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
        for module in &self.modules {
            match *module {
                Module::Linear { index, inputs, outputs } => {
                    let weight = draw.uniform(outputs * inputs, inputs);
                    parameters.insert(&self.tensor(index, "weight"), &[outputs, inputs], weight)?;
                    let bias = draw.uniform(outputs, inputs);
                    parameters.insert(&self.tensor(index, "bias"), &[outputs], bias)?;
                }
                Module::Norm { index, width } => {
                    parameters.insert(&self.tensor(index, "weight"), &[width], vec![1.0; width])?;
                    parameters.insert(&self.tensor(index, "bias"), &[width], vec![0.0; width])?;
                }
                Module::Relu { .. } => {}
            }
        }
        Ok(())
    }

    /// Reads the parameters back from an ONNX file that [`Self::emit`] wrote.
    pub(super) fn read(&self, parameters: &mut Parameters, onnx: &Initializers) -> Result<()> {
        for module in &self.modules {
            let (index, weight, bias) = match *module {
                Module::Linear { index, inputs, outputs } => {
                    (index, vec![outputs, inputs], vec![outputs])
                }
                Module::Norm { index, width } => (index, vec![width], vec![width]),
                Module::Relu { .. } => continue,
            };
            for (tensor, shape) in [("weight", weight), ("bias", bias)] {
                let name = self.tensor(index, tensor);
                parameters.insert(&name, &shape, onnx.shaped(&name, &shape)?)?;
            }
        }
        Ok(())
    }

    /// Runs `x` [batch, in] through the modules and returns [batch, out].
    pub(super) fn forward(&self, parameters: &Parameters, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for module in &self.modules {
            x = match *module {
                Module::Linear { index, .. } => {
                    let weight = parameters.get(&self.tensor(index, "weight"))?;
                    let bias = parameters.get(&self.tensor(index, "bias"))?;
                    x.matmul(&weight.t()?)?.broadcast_add(bias)?
                }
                Module::Norm { index, .. } => {
                    let weight = parameters.get(&self.tensor(index, "weight"))?;
                    let bias = parameters.get(&self.tensor(index, "bias"))?;
                    normalise(&x)?.broadcast_mul(weight)?.broadcast_add(bias)?
                }
                Module::Relu { .. } => x.relu()?,
            };
        }
        Ok(x)
    }

    /// Writes the modules as nodes over `x`; parameters keep their checkpoint names.
    pub(super) fn emit(
        &self,
        parameters: &Parameters,
        graph: &mut GraphBuilder,
        x: &Value,
    ) -> Result<Value> {
        let mut x = x.clone();
        for module in &self.modules {
            x = match *module {
                Module::Linear { index, .. } => {
                    let [weight, bias] = self.constants(index, parameters, graph)?;
                    graph.linear(&format!("{}.{index}", self.prefix), [&x, &weight, &bias])
                }
                Module::Norm { index, .. } => {
                    let [weight, bias] = self.constants(index, parameters, graph)?;
                    let name = format!("{}.{index}", self.prefix);
                    graph.layer_norm(&name, [&x, &weight, &bias], EPSILON)
                }
                Module::Relu { index } => {
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

/// Fresh parameters of all `stacks`, drawn in their order.
pub(super) fn init<const N: usize>(
    stacks: [&Sequential; N],
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    let mut draw = Initialiser::new(rng);
    stacks.into_iter().try_for_each(|stack| stack.init(&mut parameters, &mut draw))?;
    Ok(parameters)
}

/// The parameters of all `stacks` from an ONNX file that [`Sequential::emit`] wrote.
pub(super) fn read<const N: usize>(
    stacks: [&Sequential; N],
    onnx: &Initializers,
) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    stacks.into_iter().try_for_each(|stack| stack.read(&mut parameters, onnx))?;
    Ok(parameters)
}

fn encoder_modules(inputs: usize, outputs: usize) -> Vec<Module> {
    vec![
        Module::Linear { index: 0, inputs, outputs },
        Module::Relu { index: 1 },
        Module::Norm { index: 2, width: outputs },
    ]
}

/// Zero mean and unit variance along the last axis. Composed of elementary operators because
/// candle's fused layer normalisation has no gradient.
fn normalise(x: &Tensor) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    Ok(centred.broadcast_div(&(variance + f64::from(EPSILON))?.sqrt()?)?)
}
