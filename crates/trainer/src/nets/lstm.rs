//! One LSTM layer with PyTorch's tensor names and gate order (input, forget, cell, output).

use anyhow::Result;
use candle_core::{D, Device, Tensor};
use candle_nn::ops::sigmoid;

use super::parameters::{Initialiser, Parameters};
use crate::onnx::{
    GraphBuilder, Initializers, Value, biases_to_onnx, biases_to_torch, gates_to_onnx,
    gates_to_torch,
};

/// A forward LSTM that starts from a zero state: [batch, time, inputs] to [batch, time, hidden].
#[derive(Debug, Clone)]
pub(super) struct Lstm {
    prefix: &'static str,
    inputs: usize,
    hidden: usize,
}

impl Lstm {
    pub(super) fn new(prefix: &'static str, inputs: usize, hidden: usize) -> Self {
        Self { prefix, inputs, hidden }
    }

    fn name(&self, tensor: &str) -> String {
        format!("{}.{tensor}_l0", self.prefix)
    }

    fn shapes(&self) -> [(String, Vec<usize>); 4] {
        let gates = 4 * self.hidden;
        [
            (self.name("weight_ih"), vec![gates, self.inputs]),
            (self.name("weight_hh"), vec![gates, self.hidden]),
            (self.name("bias_ih"), vec![gates]),
            (self.name("bias_hh"), vec![gates]),
        ]
    }

    /// Draws initial parameters, all uniform in +-1/sqrt(hidden) as in PyTorch.
    pub(super) fn init(
        &self,
        parameters: &mut Parameters,
        draw: &mut Initialiser<'_>,
    ) -> Result<()> {
        for (name, shape) in self.shapes() {
            let values = draw.uniform(shape.iter().product(), self.hidden);
            parameters.insert(&name, &shape, values)?;
        }
        Ok(())
    }

    /// The hidden states of all steps, oldest first, each [batch, hidden].
    pub(super) fn forward(&self, parameters: &Parameters, steps: &[Tensor]) -> Result<Vec<Tensor>> {
        let input_weight = parameters.get(&self.name("weight_ih"))?.t()?;
        let hidden_weight = parameters.get(&self.name("weight_hh"))?.t()?;
        let bias =
            (parameters.get(&self.name("bias_ih"))? + parameters.get(&self.name("bias_hh"))?)?;
        let batch = steps.first().map_or(Ok(0), |x| x.dim(0))?;
        let mut hidden =
            Tensor::zeros((batch, self.hidden), candle_core::DType::F32, &Device::Cpu)?;
        let mut cell = hidden.clone();
        let mut states = Vec::with_capacity(steps.len());
        for x in steps {
            let gates = (x.matmul(&input_weight)? + hidden.matmul(&hidden_weight)?)?;
            let gates = gates.broadcast_add(&bias)?;
            let gate = |index: usize| gates.narrow(D::Minus1, index * self.hidden, self.hidden);
            let written = (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?;
            cell = ((sigmoid(&gate(1)?)? * cell)? + written)?;
            hidden = (sigmoid(&gate(3)?)? * cell.tanh()?)?;
            states.push(hidden.clone());
        }
        Ok(states)
    }

    /// Writes the layer as an LSTM node over `x` [time, batch, inputs]. Returns the states of all steps
    /// [time, 1, batch, hidden] and the last one [1, batch, hidden].
    pub(super) fn emit(
        &self,
        parameters: &Parameters,
        graph: &mut GraphBuilder,
        x: &Value,
    ) -> Result<[Value; 2]> {
        let [input, recurrent, bias_input, bias_recurrent] =
            self.shapes().map(|(name, _)| parameters.values(&name));
        let gates = 4 * self.hidden;
        let w = graph.constant(
            &format!("{}.W", self.prefix),
            &[1, gates, self.inputs],
            &gates_to_onnx(&input?)?,
        )?;
        let r = graph.constant(
            &format!("{}.R", self.prefix),
            &[1, gates, self.hidden],
            &gates_to_onnx(&recurrent?)?,
        )?;
        let b = graph.constant(
            &format!("{}.B", self.prefix),
            &[1, 2 * gates],
            &biases_to_onnx(&bias_input?, &bias_recurrent?)?,
        )?;
        Ok(graph.lstm(self.prefix, [x, &w, &r, &b], self.hidden))
    }

    /// Reads the parameters back from an ONNX file that [`Self::emit`] wrote.
    pub(super) fn read(&self, parameters: &mut Parameters, onnx: &Initializers) -> Result<()> {
        let gates = 4 * self.hidden;
        let constant = |tensor: &str, shape: &[usize]| {
            onnx.shaped(&format!("{}.{tensor}", self.prefix), shape)
        };
        let w = gates_to_torch(&constant("W", &[1, gates, self.inputs])?)?;
        let r = gates_to_torch(&constant("R", &[1, gates, self.hidden])?)?;
        let [input, recurrent] = biases_to_torch(&constant("B", &[1, 2 * gates])?)?;
        for ((name, shape), values) in self.shapes().into_iter().zip([w, r, input, recurrent]) {
            parameters.insert(&name, &shape, values)?;
        }
        Ok(())
    }
}
