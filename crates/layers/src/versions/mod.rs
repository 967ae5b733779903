//! The versions of a layer's model: loaded, unloaded and given traffic while rows are answered.
//!
//! Readers take the [`Table`] of the moment and bind every row to a version of it; whatever changes afterwards, the row is read, run and
//! answered by that version, which lives until its last row is answered. Changes come one after another, load beside the serving threads, and
//! then put another table in the place of the old one.

mod catalog;
mod listing;
mod policy;
mod poll;
mod shadow;
mod table;
#[cfg(test)]
mod tests;
mod thread;
mod traffic;
mod version;

pub(crate) use catalog::{Catalog, Start};
pub use policy::{NoPolicy, Policy};
pub(crate) use poll::watch;
pub(crate) use shadow::{Outcomes, Witness, observe};
pub(crate) use table::Table;
pub(crate) use traffic::{Traffic, key_of};
pub(crate) use version::{Loader, Version};

/// Most versions loaded at once: each has sessions, threads and a queue of its own.
pub(crate) const MAX_LOADED: usize = 8;
