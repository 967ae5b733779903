//! Admission: how many calls are in progress at once, and which of them the drain waits for.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};

use super::watch::{Middleware, Step, Watch};
use crate::{
    drain::{Drain, DrainGuard},
    server::methods::MethodTable,
};

/// Services about the server itself. Their calls are admitted when the server is full, since a
/// probe must not fail for that, and their streams end with the drain, which loses no work.
pub(crate) const INFRASTRUCTURE: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// When a refused caller may try again: a full server works off its calls in milliseconds.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// Admits as many calls at once as there are permits.
#[derive(Debug, Clone)]
pub(super) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Arc<Semaphore>,
    max: usize,
    methods: Arc<MethodTable>,
    drain: Drain,
    stop: CancellationToken,
}

/// What an admitted call holds until its last frame is out.
pub(super) struct Ticket {
    _permit: Option<OwnedSemaphorePermit>,
    /// A unary call is accepted work. Of a stream, the service counts each request.
    _work: Option<DrainGuard>,
    /// Ends the streams of infrastructure.
    stop: Option<Stop>,
}

type Stop = Pin<Box<WaitForCancellationFutureOwned>>;

impl Admission {
    /// Admits at most `max` calls at once. `stop` is cancelled when no new calls are taken.
    pub(super) fn new(
        max: usize,
        methods: Arc<MethodTable>,
        drain: Drain,
        stop: CancellationToken,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(max));
        Self(Arc::new(Inner { permits, max, methods, drain, stop }))
    }
}

impl Middleware for Admission {
    type Watch = Ticket;

    fn begin(&self, request: &mut Request<Body>) -> Result<Ticket, Status> {
        let inner = &*self.0;
        let method = inner.methods.get(request.uri().path());
        let is_unary = method.is_some_and(|method| method.is_unary());
        if method.is_some_and(|method| INFRASTRUCTURE.contains(&method.service.as_str())) {
            let stop = || Box::pin(inner.stop.clone().cancelled_owned());
            if !is_unary {
                let requests = std::mem::take(request.body_mut());
                *request.body_mut() = Body::new(RequestsUntil { requests, stop: stop() });
            }
            return Ok(Ticket { _permit: None, _work: None, stop: (!is_unary).then(stop) });
        }
        let permit = Arc::clone(&inner.permits).try_acquire_owned().map_err(|_| inner.full())?;
        let work = is_unary.then(|| inner.drain.guard());
        Ok(Ticket { _permit: Some(permit), _work: work, stop: None })
    }
}

impl Inner {
    fn full(&self) -> Status {
        Status::with_error_details(
            Code::ResourceExhausted,
            format!("{} calls are in progress, which is the limit; try again", self.max),
            ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        )
    }
}

impl Watch for Ticket {
    /// Messages that are ready at the stop go out. After them the stream ends with `UNAVAILABLE`,
    /// however the service would end it.
    fn poll<T: Step>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Poll<T>, Status> {
        let polled = poll(cx);
        let stopped = self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready());
        let is_progress = matches!(&polled, Poll::Ready(step) if step.is_progress());
        if stopped && !is_progress {
            return Err(Status::unavailable("the server is shutting down"));
        }
        Ok(polled)
    }
}

pin_project! {
    /// The request messages of an infrastructure stream. They end at the stop too: a service that
    /// waits for the next one would keep the connection open.
    struct RequestsUntil {
        #[pin]
        requests: Body,
        stop: Stop,
    }
}

impl HttpBody for RequestsUntil {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        match (this.requests.poll_frame(cx), this.stop.as_mut().poll(cx)) {
            (Poll::Pending, Poll::Ready(())) => Poll::Ready(None),
            (polled, _) => polled,
        }
    }
}
