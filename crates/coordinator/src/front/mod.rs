//! The Coordinator service: what comes in on calls and streams.

mod decider;
mod service;
mod stream;

pub(crate) use decider::Decider;
