//! Versions of the models and releases of all three, changed while services answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod refused_releases;
mod releases;
mod versions;
