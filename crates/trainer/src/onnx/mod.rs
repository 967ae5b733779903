//! Writes and reads ONNX files through our own copy of the messages that the networks need.

mod builder;
mod lstm;
mod proto;
mod quantise;
mod reader;

pub(crate) use builder::OPSET;
pub use builder::{Axis, GraphBuilder, Value};
pub(crate) use lstm::{biases_to_onnx, biases_to_torch, gates_to_onnx, gates_to_torch};
pub(crate) use quantise::{Quantised, SCHEME, quantise};
pub(crate) use reader::Header;
pub use reader::Initializers;
