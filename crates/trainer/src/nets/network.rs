//! What every network can do, whichever layer it serves.

use anyhow::Result;
use candle_core::Tensor;

use super::parameters::Parameters;
use crate::scaling::Scaling;

/// A named f32 tensor of a network. The batch axis comes first and is not part of `shape`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name in the ONNX graph.
    pub name: &'static str,
    /// The axes after the batch.
    pub shape: Vec<usize>,
}

impl Port {
    pub(super) fn new(name: &'static str, shape: &[usize]) -> Self {
        Self { name, shape: shape.to_vec() }
    }
}

/// The trainable tensors of a network, and the scaling of its input.
#[derive(Debug)]
pub struct Weights {
    pub(super) parameters: Parameters,
    pub(super) scaling: Scaling,
}

/// A network that runs in candle and can be written as ONNX.
pub trait Network {
    /// The layer that the network serves: `strategic`, `tactical` or `operational`. Also the name
    /// of the ONNX graph.
    fn layer(&self) -> &'static str;

    /// The trainable tensors and the scaling.
    fn weights(&self) -> &Weights;

    /// The trainable tensors.
    fn parameters(&self) -> &Parameters {
        &self.weights().parameters
    }

    /// The scaling of the input's columns.
    fn scaling(&self) -> &Scaling {
        &self.weights().scaling
    }

    /// The only input, in raw units. Its last axis is the columns of [`Self::scaling`].
    fn input(&self) -> Port;

    /// The outputs, in the order in which [`Self::run`] returns them.
    fn outputs(&self) -> Vec<Port>;

    /// Runs a batch [batch, ..input] and returns one [batch, ..output] per output.
    ///
    /// # Errors
    /// When the batch has another shape.
    fn run(&self, batch: &Tensor) -> Result<Vec<Tensor>>;

    /// The network as the bytes of an ONNX file. The same weights give the same bytes.
    ///
    /// # Errors
    /// When a parameter is missing or not finite.
    fn to_onnx(&self) -> Result<Vec<u8>>;
}
