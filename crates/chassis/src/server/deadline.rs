//! `grpc-timeout`, obeyed: the answer to a call whose time is up is `DEADLINE_EXCEEDED`.
//!
//! tonic's server would say `CANCELLED` (its `GrpcTimeout`). Ours accepts connections itself and
//! has this layer instead. What is in the header also reaches services, as a
//! [`Deadline`](crate::Deadline) in the request's extensions.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tower::{Layer, Service};

use super::answer::{refusal, trailers};
use crate::deadline::{Deadline, GRPC_TIMEOUT, malformed, parse_timeout};

#[derive(Debug, Clone, Copy)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct DeadlineService<S> {
    inner: S,
}

type Timer = Pin<Box<Sleep>>;

impl<S, A, B> Service<Request<A>> for DeadlineService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = S::Error;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // A timer beyond this is no timer: the connection is not going to live that long.
        const LONG: Duration = Duration::from_secs(24 * 3600);
        let Some(value) = request.headers().get(GRPC_TIMEOUT) else {
            return DeadlineFuture { inner: Some(self.inner.call(request)), timer: None };
        };
        let Some(timeout) = parse_timeout(value.as_bytes()) else {
            return DeadlineFuture { inner: None, timer: None };
        };
        let deadline = Deadline::since(Instant::now(), timeout);
        request.extensions_mut().insert(deadline);
        let timer = (timeout < LONG).then(|| Box::pin(sleep(timeout)));
        DeadlineFuture { inner: Some(self.inner.call(request)), timer }
    }
}

fn exceeded() -> Status {
    Status::deadline_exceeded("the time the caller gave in grpc-timeout is up")
}

/// Whether the time is up. Looked at only after the inner future or body had nothing to say.
fn is_up(timer: &mut Option<Timer>, cx: &mut Context<'_>) -> bool {
    timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
}

pin_project! {
    /// `inner` is `None` if the header was malformed, and once the time is up.
    pub(super) struct DeadlineFuture<F> {
        #[pin]
        inner: Option<F>,
        timer: Option<Timer>,
    }
}

impl<F, B, E> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<DeadlineBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let refuse = |status| {
            Poll::Ready(Ok(refusal(status).map(|()| DeadlineBody { inner: None, timer: None })))
        };
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return refuse(malformed()) };
        if let Poll::Ready(outcome) = inner.poll(cx) {
            let timer = this.timer.take();
            return Poll::Ready(
                outcome.map(|response| {
                    response.map(|inner| DeadlineBody { inner: Some(inner), timer })
                }),
            );
        }
        if is_up(this.timer, cx) {
            // Dropping the service's future is what stops the work.
            this.inner.set(None);
            return refuse(exceeded());
        }
        Poll::Pending
    }
}

pin_project! {
    pub(super) struct DeadlineBody<B> {
        #[pin]
        inner: Option<B>,
        timer: Option<Timer>,
    }
}

impl<B: Body<Data = Bytes>> Body for DeadlineBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = inner.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if is_up(this.timer, cx) {
            this.inner.set(None);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&exceeded())))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
