//! One LSTM layer with PyTorch's tensor names and gate order (input, forget, cell, output).

use anyhow::Result;
use candle_core::Tensor;

use super::{
    parameters::{Initialiser, Parameters},
    recurrence,
};
use crate::onnx::{
    GraphBuilder, Initializers, Value, biases_to_onnx, biases_to_torch, gates_to_onnx,
    gates_to_torch,
};

/// A forward LSTM that starts from a zero state: [time, batch, inputs] to [time, batch, hidden].
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

    /// Draws initial parameters, all uniform in +-1/sqrt(hidden) as PyTorch does.
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

    /// The hidden states [time, batch, hidden] that follow from `x` [time, batch, inputs].
    pub(super) fn forward(&self, parameters: &Parameters, x: &Tensor) -> Result<Tensor> {
        let (steps, rows, inputs) = x.dims3()?;
        let weight = parameters.get(&self.name("weight_ih"))?;
        let bias =
            (parameters.get(&self.name("bias_ih"))? + parameters.get(&self.name("bias_hh"))?)?;
        let gates =
            x.reshape((steps * rows, inputs))?.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        let gates = gates.reshape((steps, rows, 4 * self.hidden))?;
        Ok(recurrence::run(&gates, parameters.get(&self.name("weight_hh"))?)?)
    }

    /// Writes the layer as an LSTM node over `x` [time, batch, inputs]. Returns the states of all
    /// steps [time, 1, batch, hidden] and the last one [1, batch, hidden].
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

    /// The number of units of the layer with that `prefix` in an ONNX file that [`Self::emit`]
    /// wrote; `None` when the file has no such layer.
    pub(super) fn width_in(onnx: &Initializers, prefix: &str) -> Option<usize> {
        let (shape, _) = onnx.get(&format!("{prefix}.R")).ok()?;
        shape.last().copied()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device};
    use candle_nn::{
        VarBuilder,
        rnn::{self, LSTMConfig, RNN},
    };
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    const SIZES: [usize; 4] = [6, 3, 4, 5];

    /// A layer, its parameters and an input [time, batch, inputs].
    fn setting() -> (Lstm, Parameters, Tensor) {
        let [steps, rows, inputs, hidden] = SIZES;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let layer = Lstm::new("lstm", inputs, hidden);
        let mut parameters = Parameters::new();
        layer.init(&mut parameters, &mut Initialiser::new(&mut rng)).unwrap();
        let values: Vec<f32> =
            (0..steps * rows * inputs).map(|_| rng.random_range(-2.0..2.0)).collect();
        let x = Tensor::from_vec(values, (steps, rows, inputs), &Device::Cpu).unwrap();
        (layer, parameters, x)
    }

    /// The hidden states by candle's own LSTM, which takes [batch, time, inputs].
    fn by_candle(parameters: &Parameters, x: &Tensor) -> Tensor {
        let tensors: HashMap<String, Tensor> = parameters
            .names()
            .map(|name| (name.to_owned(), parameters.get(name).unwrap().clone()))
            .collect();
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu).pp("lstm");
        let [_, _, inputs, hidden] = SIZES;
        let lstm = rnn::lstm(inputs, hidden, LSTMConfig::default(), builder).unwrap();
        let states = lstm.seq(&x.transpose(0, 1).unwrap()).unwrap();
        let hidden: Vec<Tensor> = states.iter().map(|state| state.h().clone()).collect();
        Tensor::stack(&hidden, 0).unwrap()
    }

    fn furthest(a: &Tensor, b: &Tensor) -> f32 {
        let apart = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        apart.max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn states_and_gradients_are_those_of_candle() {
        let (layer, parameters, x) = setting();
        let ours = layer.forward(&parameters, &x).unwrap();
        let theirs = by_candle(&parameters, &x);
        assert!(furthest(&ours, &theirs) < 1e-6);

        // Every state counts, each with a weight of its own.
        let count = ours.elem_count();
        let weights: Vec<f32> = (0..count).map(|i| (i as f32).sin()).collect();
        let weights = Tensor::from_vec(weights, ours.shape(), &Device::Cpu).unwrap();
        let gradients =
            |states: &Tensor| (states * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, theirs) = (gradients(&ours), gradients(&theirs));
        for name in parameters.names() {
            let of = |store: &candle_core::backprop::GradStore| {
                store.get(parameters.get(name).unwrap()).unwrap().clone()
            };
            assert!(furthest(&of(&ours), &of(&theirs)) < 1e-5, "gradient of {name}");
        }
    }
}
