//! The interface for asking a layer, in the same process or over the network.

use std::time::Instant;

use futures_util::future::BoxFuture;

use crate::{Fault, Hop, TracePlace};

/// A request to a layer, with its caller and its deadline.
#[derive(Debug, Clone)]
pub struct Ask<Q> {
    /// The request.
    pub request: Q,
    /// Its span context.
    pub trace: TracePlace,
    /// The moment by which the answer must arrive.
    pub deadline: Instant,
    /// The number of the caller's connection; waiting requests of different callers take turns.
    pub caller: u64,
    /// Whether the asking process has no other decision in progress, so that no other request is
    /// about to arrive.
    pub alone: bool,
}

/// A layer that answers requests and loads versions of its model.
pub trait Answers<H: Hop>: Send + Sync + 'static {
    /// Asks the layer. Requests of its other callers may run in the same batch.
    ///
    /// # Errors
    /// The fault that a row of a frame would get.
    fn ask(&self, ask: Ask<H::Request>) -> BoxFuture<'static, Result<H::Response, Fault>>;

    /// Loads a version of the layer's model, as `strata.v1.Models.Load` does; a loaded version is
    /// left as it is. The load continues when its caller leaves.
    ///
    /// # Errors
    /// `NotFound` when there is no such version, `FailedPrecondition` when it cannot be served,
    /// `ResourceExhausted` when too many versions are loaded.
    fn load(&self, version: u32) -> BoxFuture<'static, Result<(), Fault>>;
}
