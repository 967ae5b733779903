//! Releases: a version of each layer's model, put in force together.
//!
//! A decision takes the release of the moment (an `Arc`) when it begins, and names its versions in
//! all three rows; what is put in force afterwards is for later decisions. Before a release is put
//! in force every connected replica has loaded its versions, and a replica that connects later
//! loads them before it is asked.

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
