//! The coordinator: takes a question, asks the three layers in a chain, and answers with a decision.
//!
//! A request becomes routed (provider), then placed (region, memory), then provisioned (forecast); each stage owns the one before it,
//! so a wrong order does not compile.

mod answer;
mod chain;
mod config;
mod intake;
mod link;
mod metrics;
mod pipeline;
mod process;
mod releases;
mod service;
mod streaming;

pub use config::{CoordinatorConfig, CoordinatorSection, RequestsConfig};
pub use link::{Local, LocalAsk, LocalLayers};
pub use process::{run, serve_beside};
pub use releases::ReleaseConfig;
