//! The versions of a layer's model: loaded, unloaded and given traffic while rows are answered.
//!
//! Readers take the present [`Snapshot`] and bind every row to a version of it. Whatever changes
//! afterwards, the row is encoded, run and decoded by that version, which lives until its last row
//! is answered. Changes come one after another, load beside the serving threads, and then put
//! another snapshot in the place of the old one.

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
