//! The Coordinator service: unary calls and streams.

mod decider;
mod service;
mod stream;

pub(crate) use decider::Decider;
