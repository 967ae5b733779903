//! The networks in candle, with the tensor names of the PyTorch checkpoints.

mod advice;
mod candidates;
mod gated;
mod lstm;
mod network;
mod operational;
mod parameters;
mod recurrence;
mod sequential;
mod strategic;
mod tactical;

use anyhow::{Result, bail};

use crate::onnx::Initializers;

pub use candidates::Columns;
pub use gated::{Correction, GatedNet, Parts};
pub use network::{Network, Port, Weights};
pub use operational::{OperationalNet, OutputRange};
pub use parameters::{Initialiser, Parameters};
pub use strategic::StrategicNet;
pub use tactical::TacticalNet;

/// Rebuilds the network that wrote an ONNX file, whichever of ours it is.
///
/// # Errors
/// When none of our networks wrote the file.
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
