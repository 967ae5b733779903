//! Offline: fits the three networks on the simulator, writes them as ONNX, proves that ONNX Runtime
//! computes the same, and publishes them with a manifest.
//!
//! Nothing here runs while decisions are served.

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod columns;
pub mod contract;
pub mod fit;
pub mod gate;
pub mod import;
pub mod nets;
pub mod onnx;
pub mod parity;
pub mod placement;
pub mod probe;
pub mod publish;
pub mod quantise;
pub mod report;
pub mod scaling;
pub mod train;
pub mod worlds;
