//! Fits the networks on the simulator, writes them as ONNX, proves that ONNX Runtime computes the
//! same, and publishes them with a manifest. Nothing here runs while decisions are served.

#![forbid(unsafe_code)]

pub mod contract;
mod files;
pub mod fit;
pub mod formula;
pub mod import;
pub mod nets;
pub mod onnx;
pub mod publish;
pub mod quantise;
pub mod report;
pub mod scaling;
pub mod simulation;
pub mod train;
