//! A panic of a service ends the call it happened in, with `INTERNAL`, and nothing else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use http::Request;
use tonic::{Status, body::Body};

use super::watch::{Middleware, Step, Watch};

#[derive(Debug, Clone, Copy)]
pub(super) struct CatchPanics;

impl Middleware for CatchPanics {
    type Watch = Self;

    fn begin(&self, _: &mut Request<Body>) -> Result<Self, Status> {
        Ok(*self)
    }
}

impl Watch for CatchPanics {
    fn call<F>(&mut self, call: impl FnOnce() -> F) -> Result<F, Status> {
        caught(call)
    }

    fn poll<T: Step>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Poll<T>, Status> {
        caught(|| poll(cx))
    }
}

/// What the code of the service gives, or what the caller learns of its panic; the panic hook has
/// logged the rest.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Status> {
    // The future is dropped after a panic and never looked at again, and what services share
    // between calls is behind locks that know about poisoning: no broken state is observed.
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| Status::internal("the server failed on this request; its log says why"))
}
