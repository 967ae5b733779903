//! Writing and reading ONNX files through our own copy of the messages we need.

mod builder;
mod lstm;
mod quantise;
mod reader;

/// The ONNX messages, generated from `proto/onnx.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

pub(crate) use builder::OPSET;
pub use builder::{Axis, GraphBuilder, Value};
pub(crate) use lstm::{biases_to_onnx, biases_to_torch, gates_to_onnx, gates_to_torch};
pub(crate) use quantise::{SCHEME, quantise};
pub(crate) use reader::Header;
pub use reader::Initializers;
