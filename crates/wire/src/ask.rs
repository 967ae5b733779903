//! Asking a layer, whether it is in the same process or behind a network.

use std::time::Instant;

use futures_util::future::BoxFuture;

use crate::{Fault, Hop, TracePlace};

/// A question, who asks it, and when its answer must be there.
#[derive(Debug, Clone)]
pub struct Ask<Q> {
    /// The question.
    pub request: Q,
    /// Its place in its trace.
    pub trace: TracePlace,
    /// When the answer must be there.
    pub deadline: Instant,
    /// The connection that asks, by its number: callers whose questions wait take turns.
    pub caller: u64,
    /// Whether the asking process has no other decision in work, so that no other question is about
    /// to come.
    pub alone: bool,
}

/// A layer that answers questions and loads versions of its model.
pub trait Answers<H: Hop>: Send + Sync + 'static {
    /// Asks the layer. Questions of its other callers may run in the same batch.
    ///
    /// # Errors
    /// The fault that a row of a frame would be answered with.
    fn ask(&self, ask: Ask<H::Request>) -> BoxFuture<'static, Result<H::Response, Fault>>;

    /// Loads a version of the layer's model, as `strata.v1.Models.Load` does; one that is loaded is
    /// left as it is. Loading goes on when its caller leaves.
    ///
    /// # Errors
    /// `NotFound` when there is no such version, `FailedPrecondition` when it cannot be used,
    /// `ResourceExhausted` when too many are loaded.
    fn load(&self, version: u32) -> BoxFuture<'static, Result<(), Fault>>;
}
