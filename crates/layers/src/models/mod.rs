//! A layer's model: its loaded versions, their traffic and their statistics.

mod file_access;
mod runner;
mod service;
mod versions;

pub(crate) use file_access::FileAccess;
pub(crate) use runner::{Report, Runner, Runners, Source, Total};
pub(crate) use service::{ModelsService, whole};
pub(crate) use versions::{
    AnsweredRow, Catalog, Loader, Snapshot, Start, Version, expose_figures, key_of, observe, watch,
};
pub use versions::{NoPolicy, Policy};
