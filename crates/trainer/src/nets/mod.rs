//! The three networks in candle, with the tensor names of the PyTorch checkpoints.

mod advice;
mod candidates;
mod gated;
mod lstm;
mod operational;
mod parameters;
mod recurrence;
mod stack;
mod strategic;
mod tactical;

use anyhow::{Result, bail};
use candle_core::Tensor;

use crate::{onnx::Initializers, scaling::Scaling};

pub use candidates::Columns;
pub use gated::{Correction, GatedNet, Parts};
pub use operational::{OperationalNet, OutputRange};
pub use parameters::{Initialiser, Parameters};
pub use strategic::StrategicNet;
pub use tactical::TacticalNet;

/// A named f32 tensor of a network: the batch axis comes first and is left out of `shape`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name in the ONNX graph.
    pub name: &'static str,
    /// The axes after the batch.
    pub shape: Vec<usize>,
}

impl Port {
    fn new(name: &'static str, shape: &[usize]) -> Self {
        Self { name, shape: shape.to_vec() }
    }
}

/// A network that can run here and be written as ONNX.
pub trait Network {
    /// The layer it serves: `strategic`, `tactical` or `operational`. Also the name of the ONNX
    /// graph.
    fn layer(&self) -> &'static str;

    /// The trainable tensors.
    fn parameters(&self) -> &Parameters;

    /// How the columns of the input are scaled.
    fn scaling(&self) -> &Scaling;

    /// The one input, in raw units. Its last axis is the columns of [`Self::scaling`].
    fn input(&self) -> Port;

    /// The outputs, in the order in which [`Self::run`] returns them.
    fn outputs(&self) -> Vec<Port>;

    /// Runs a batch: [batch, ..input] to one [batch, ..output] per output.
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

/// The network that wrote an ONNX file, whichever of the three it is.
///
/// # Errors
/// When the file is not one of ours.
pub fn from_onnx(bytes: &[u8]) -> Result<Box<dyn Network>> {
    let graph = Initializers::decode(bytes)?;
    match graph.graph() {
        "strategic" => Ok(Box::new(StrategicNet::from_onnx(bytes)?)),
        "tactical" => Ok(Box::new(TacticalNet::from_onnx(bytes)?)),
        "operational" if GatedNet::wrote(&graph) => Ok(Box::new(GatedNet::from_onnx(bytes)?)),
        "operational" => Ok(Box::new(OperationalNet::from_onnx(bytes)?)),
        other => bail!("graph `{other}` is none of strategic, tactical and operational"),
    }
}
