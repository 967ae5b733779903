//! Releases: one version of each layer's model, put in force together.
//!
//! A decision takes the release in force (an `Arc`) when it begins, and names the versions of that
//! release in all three rows; a later change affects later decisions only. Before a release is put
//! in force, every connected replica has loaded its versions. A replica that connects later loads
//! them before it is asked.

mod config;
mod info;
mod register;
mod release;
mod service;
#[cfg(test)]
mod tests;

pub use config::ReleaseConfig;
pub(crate) use info::expose as expose_release;
pub(crate) use register::Register;
pub(crate) use release::Release;
pub(crate) use service::ReleasesService;
