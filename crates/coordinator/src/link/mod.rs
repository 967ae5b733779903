//! Links to a layer: long-lived streams to its replicas, which carry the rows of many requests in
//! frames, or calls in the same process.

#[cfg(test)]
mod fair_tests;
mod faults;
mod job;
mod layer;
mod needs;
#[cfg(test)]
mod needs_tests;
mod replica;
mod replicas;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use layer::LocalLayers;
pub(crate) use layer::{Layer, Layers};
pub(crate) use needs::Needs;
pub(crate) use replicas::Replicas;
pub(crate) use settings::LinkSettings;
