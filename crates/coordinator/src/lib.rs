//! The coordinator: takes a request, asks the three layers in a chain and answers with a decision.
//!
//! A request becomes a question, then routed (platform), then placed (region, memory), then
//! provisioned (forecast). Each stage owns the one before it, so a wrong order does not compile.

mod catalogue;
mod config;
mod deciding;
mod front;
mod intake;
mod link;
mod metrics;
mod process;
mod releases;

pub use config::{CoordinatorConfig, CoordinatorSection, RequestsConfig};
pub use deciding::Speculation;
pub use link::LocalLayers;
pub use process::{run, serve_beside, settings};
pub use releases::ReleaseConfig;
