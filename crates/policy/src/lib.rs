//! The meaning of each layer's model: which facts it takes, how they become numbers, and what its
//! output stands for.
//!
//! This crate is pure: no async, no clock, no I/O, no randomness. It never scales a feature: the
//! model does.

mod action;
mod catalogue;
mod feature;
mod mask;
pub mod operational;
mod situation;
pub mod strategic;
pub mod tactical;

pub use feature::{Feature, SchemaError};
pub use mask::Mask;
