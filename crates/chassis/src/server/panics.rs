//! A panic of a service ends the call it happened in, with `INTERNAL`, and nothing else.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use super::answer::{refusal, trailers};

/// What the caller learns; the panic hook has logged the rest.
fn panicked() -> Status {
    Status::internal("the server failed on this request; its log says why")
}

#[derive(Debug, Clone, Copy)]
pub(super) struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct CatchPanic<S> {
    inner: S,
}

impl<S, A, B> Service<Request<A>> for CatchPanic<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<CaughtBody<B>>;
    type Error = S::Error;
    type Future = CaughtFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // The future is dropped after a panic and never looked at again, and what services share
        // between calls is behind locks that know about poisoning: no broken state is observed.
        let inner = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        CaughtFuture { inner }
    }
}

pin_project! {
    /// `None` once the service has panicked.
    pub(super) struct CaughtFuture<F> {
        #[pin]
        inner: Option<F>,
    }
}

impl<F, B, E> Future for CaughtFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CaughtBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => catch_unwind(AssertUnwindSafe(|| inner.poll(cx))).ok(),
            None => None,
        };
        match polled {
            Some(polled) => {
                polled.map_ok(|response| response.map(|inner| CaughtBody { inner: Some(inner) }))
            }
            None => {
                this.inner.set(None);
                Poll::Ready(Ok(refusal(panicked()).map(|()| CaughtBody { inner: None })))
            }
        }
    }
}

pin_project! {
    pub(super) struct CaughtBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<B: Body<Data = Bytes>> Body for CaughtBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx))) {
            Ok(polled) => polled,
            Err(_) => {
                this.inner.set(None);
                Poll::Ready(Some(Ok(Frame::trailers(trailers(&panicked())))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
