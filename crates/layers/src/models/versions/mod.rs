//! The versions of a layer's model: loaded, unloaded and given traffic while rows are answered.
//!
//! A reader takes the current [`Snapshot`] and binds every row to a version of it. That version
//! encodes, runs and decodes the row whatever changes afterwards, and lives until its last row is
//! answered. Changes run one after another. Each loads versions on threads that serve no requests
//! and then replaces the snapshot.

mod catalog;
mod figures;
mod listing;
mod loader_thread;
mod policy;
mod poll;
mod shadow;
mod snapshot;
mod tally;
#[cfg(test)]
mod tests;
mod traffic;
mod version;

pub(crate) use catalog::{Catalog, Start};
pub(crate) use figures::expose as expose_figures;
pub use policy::{NoPolicy, Policy};
pub(crate) use poll::watch;
pub(crate) use shadow::{AnsweredRow, observe};
pub(crate) use snapshot::Snapshot;
pub(crate) use traffic::key_of;
pub(crate) use version::{Loader, Version};
