//! Decisions of the coordinator: what it answers, what it refuses, and what callers see of layers
//! that fail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod catalogues;
mod failures;
mod fairness;
mod streams;
mod validation;
