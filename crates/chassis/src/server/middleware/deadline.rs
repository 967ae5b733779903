//! `grpc-timeout`, obeyed: the answer to a call whose time is up is `DEADLINE_EXCEEDED`.
//!
//! tonic's server would say `CANCELLED` (its `GrpcTimeout`). Ours accepts connections itself and
//! has this middleware instead. What is in the header also reaches services, as a [`Deadline`] in
//! the request's extensions.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Request;
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};

use super::watch::{Middleware, Step, Watch};
use crate::deadline::{Deadline, GRPC_TIMEOUT, malformed, parse_timeout};

#[derive(Debug, Clone, Copy)]
pub(super) struct ObeyTimeout;

/// Fires when the time of a call is up, if the caller set one.
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Middleware for ObeyTimeout {
    type Watch = Timer;

    fn begin(&self, request: &mut Request<Body>) -> Result<Timer, Status> {
        // No connection lives that long: a deadline beyond needs no timer.
        const LONG: Duration = Duration::from_hours(24);
        let Some(value) = request.headers().get(GRPC_TIMEOUT) else { return Ok(Timer(None)) };
        let timeout = parse_timeout(value.as_bytes()).ok_or_else(malformed)?;
        request.extensions_mut().insert(Deadline::since(Instant::now(), timeout));
        Ok(Timer((timeout < LONG).then(|| Box::pin(sleep(timeout)))))
    }
}

impl Watch for Timer {
    /// Looks at the timer only when the service is not ready: an answer that is ready goes out.
    fn poll<T: Step>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Poll<T>, Status> {
        let polled = poll(cx);
        let mut is_up = || self.0.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if polled.is_pending() && is_up() {
            return Err(Status::deadline_exceeded(
                "the time the caller gave in grpc-timeout is up",
            ));
        }
        Ok(polled)
    }
}
