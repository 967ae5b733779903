//! The meaning of each layer's model: which facts it takes, how they become numbers, and what its
//! output stands for.
//!
//! This crate is pure: no async, no clock, no I/O, no randomness. It never scales a feature: the
//! model does.

pub mod candidates;
mod feature;
mod function;
pub mod operational;
pub mod research;

pub use feature::{Feature, SchemaError};
