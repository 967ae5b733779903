//! What the middlewares have in common: each watches a call from its arrival to the last frame of
//! the answer, and may end it with a status.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Status, body::Body as RequestBody};
use tower::{Layer, Service};

/// A middleware. It makes a [`Watch`] for each call.
pub(super) trait Middleware: Clone {
    type Watch: Watch;

    /// Takes a call that arrives, or refuses it.
    fn begin(&self, request: &mut Request<RequestBody>) -> Result<Self::Watch, Status>;
}

/// What a middleware does while a call is in progress. It is dropped with the last frame of the
/// answer, or when the caller leaves.
pub(super) trait Watch {
    /// Calls the service. An error is the answer instead.
    fn call<F>(&mut self, call: impl FnOnce() -> F) -> Result<F, Status> {
        Ok(call())
    }

    /// Polls the service's future or the body of its answer. An error ends the call: the future or
    /// body is dropped, which stops the work, and the caller gets the status.
    fn poll<T: Step>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Poll<T>, Status>;
}

/// A step of an answer: its head, or the next frame of its body.
pub(super) trait Step {
    /// Where a status stands if the step has one: the headers of an answer without messages, or
    /// trailers.
    fn status_headers(&self) -> Option<&HeaderMap>;

    /// Whether the step is a message, or a head that messages follow.
    fn is_progress(&self) -> bool;
}

impl<B, E> Step for Result<Response<B>, E> {
    fn status_headers(&self) -> Option<&HeaderMap> {
        self.as_ref().ok().map(Response::headers)
    }

    fn is_progress(&self) -> bool {
        self.is_ok()
    }
}

impl<E> Step for Option<Result<Frame<Bytes>, E>> {
    fn status_headers(&self) -> Option<&HeaderMap> {
        self.as_ref()?.as_ref().ok()?.trailers_ref()
    }

    fn is_progress(&self) -> bool {
        matches!(self, Some(Ok(frame)) if frame.is_data())
    }
}

/// Puts a middleware around a service.
#[derive(Debug, Clone)]
pub(super) struct WatchLayer<M>(pub(super) M);

impl<S, M: Clone> Layer<S> for WatchLayer<M> {
    type Service = Watched<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Watched { inner, middleware: self.0.clone() }
    }
}

/// A service with a middleware around it.
#[derive(Debug, Clone)]
pub(super) struct Watched<S, M> {
    inner: S,
    middleware: M,
}

impl<S, M, B> Service<Request<RequestBody>> for Watched<S, M>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    M: Middleware,
{
    type Response = Response<WatchedBody<B, M::Watch>>;
    type Error = S::Error;
    type Future = WatchedFuture<S::Future, M::Watch>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let begun = self.middleware.begin(&mut request).and_then(|mut watch| {
            let inner = watch.call(|| self.inner.call(request))?;
            Ok((inner, watch))
        });
        match begun {
            Ok((inner, watch)) => {
                WatchedFuture { inner: Some(inner), watch: Some(watch), refusal: None }
            }
            Err(status) => WatchedFuture { inner: None, watch: None, refusal: Some(status) },
        }
    }
}

pin_project! {
    /// The future of an answer. `inner` is `None` if the call was refused, or once it was ended.
    pub(super) struct WatchedFuture<F, W> {
        #[pin]
        inner: Option<F>,
        watch: Option<W>,
        refusal: Option<Status>,
    }
}

impl<F, W, B, E> Future for WatchedFuture<F, W>
where
    F: Future<Output = Result<Response<B>, E>>,
    W: Watch,
{
    type Output = Result<Response<WatchedBody<B, W>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let (Some(inner), Some(watch)) = (this.inner.as_mut().as_pin_mut(), &mut *this.watch) {
            match watch.poll(cx, |cx| inner.poll(cx)) {
                Ok(polled) => {
                    return polled.map_ok(|response| {
                        let watch = this.watch.take();
                        response.map(|inner| WatchedBody { inner: Some(inner), watch })
                    });
                }
                Err(status) => *this.refusal = Some(status),
            }
            this.inner.set(None);
        }
        // There is a status: the call was refused when it arrived, or was ended just now.
        let status = this.refusal.take().unwrap_or_else(|| Status::internal("polled again"));
        let body = |()| WatchedBody { inner: None, watch: None };
        Poll::Ready(Ok(status.into_http().map(body)))
    }
}

pin_project! {
    /// The body of an answer. `inner` is `None` once the call was ended.
    pub(super) struct WatchedBody<B, W> {
        #[pin]
        inner: Option<B>,
        watch: Option<W>,
    }
}

impl<B: Body<Data = Bytes>, W: Watch> Body for WatchedBody<B, W> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let (Some(inner), Some(watch)) = (this.inner.as_mut().as_pin_mut(), &mut *this.watch)
        else {
            return Poll::Ready(None);
        };
        let polled = watch.poll(cx, |cx| inner.poll_frame(cx)).unwrap_or_else(|status| {
            this.inner.set(None);
            Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
        });
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            *this.watch = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// `status` as the trailers that end an answer which has begun.
fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Only a message or metadata that is no header value gets here, and ours are plain text.
        trailers.insert("grpc-status", http::HeaderValue::from(status.code() as i32));
    }
    trailers
}
