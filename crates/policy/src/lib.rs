//! What each layer's model means: which facts it takes, how they become numbers, what its numbers
//! stand for.
//!
//! This room is pure: no async, no clock, no I/O, no randomness. It never scales a feature: that is
//! part of the model.

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
