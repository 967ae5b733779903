//! Long-lived streams to the replicas of a layer, on which rows of many requests travel in frames.

mod hop;
mod replica;
mod replicas;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use hop::{Forecasting, Hop, Placing, Selecting, TracePlace};
pub(crate) use replicas::{LinkSettings, Replicas};
