//! The ways to a layer: long-lived streams to its replicas, on which rows of many requests travel in frames, or a call in the same process.

#[cfg(test)]
mod fair_tests;
mod hop;
mod layer;
mod needs;
#[cfg(test)]
mod needs_tests;
mod replica;
mod replicas;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use hop::{Due, Forecasting, Hop, Placing, Selecting, TracePlace};
pub(crate) use layer::{Layer, Layers};
pub use layer::{Local, LocalAsk, LocalLayers};
pub(crate) use needs::Needs;
pub(crate) use replicas::{LinkSettings, Replicas};
