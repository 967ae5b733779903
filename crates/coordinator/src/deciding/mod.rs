//! Decides a question: the chain of the three layers.

mod answer;
mod chain;
mod hops;
mod pipeline;
mod speculation;
#[cfg(test)]
mod tests;

pub(crate) use pipeline::{Call, Pipeline};
pub use speculation::Speculation;
