//! The door: how many calls are in at once, and which of them the drain waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body as TonicBody;
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service};

use super::answer::{refusal, trailers};
use super::methods::MethodTable;
use crate::drain::{Drain, DrainGuard};

/// Services about the server itself. They are let in when it is full, since a probe must not fail
/// for that, and their streams end with the drain, since nothing accepted is lost with them.
pub(super) const INFRASTRUCTURE: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// When a refused caller may try again: a full server works off its calls in milliseconds.
const RETRY_AFTER: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub(super) struct AdmissionLayer {
    door: Arc<Door>,
}

#[derive(Debug)]
struct Door {
    places: Arc<Semaphore>,
    max: usize,
    methods: Arc<MethodTable>,
    drain: Drain,
    stop: CancellationToken,
}

impl AdmissionLayer {
    pub(super) fn new(
        max: usize,
        methods: Arc<MethodTable>,
        drain: Drain,
        stop: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(max));
        Self { door: Arc::new(Door { places, max, methods, drain, stop }) }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission { inner, door: Arc::clone(&self.door) }
    }
}

/// What a call that was let in holds until its last frame is out.
struct Ticket {
    _place: Option<OwnedSemaphorePermit>,
    /// Unary calls are accepted work. Streams say themselves what of them is.
    _work: Option<DrainGuard>,
    /// Ends the streams of infrastructure.
    stop: Option<Stop>,
}

type Stop = Pin<Box<WaitForCancellationFutureOwned>>;

impl Door {
    fn enter(&self, path: &str) -> Option<Ticket> {
        let method = self.methods.get(path);
        let is_unary = method.is_some_and(|method| method.is_unary());
        if method.is_some_and(|method| INFRASTRUCTURE.contains(&method.service.as_str())) {
            let stop = (!is_unary).then(|| Box::pin(self.stop.clone().cancelled_owned()));
            return Some(Ticket { _place: None, _work: None, stop });
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let work = is_unary.then(|| self.drain.guard());
        Some(Ticket { _place: Some(place), _work: work, stop: None })
    }

    fn full(&self) -> Status {
        Status::with_error_details(
            tonic::Code::ResourceExhausted,
            format!("{} calls are in progress, which is the limit; try again", self.max),
            ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        )
    }
}

#[derive(Debug, Clone)]
pub(super) struct Admission<S> {
    inner: S,
    door: Arc<Door>,
}

impl<S, B> Service<Request<TonicBody>> for Admission<S>
where
    S: Service<Request<TonicBody>, Response = Response<B>>,
{
    type Response = Response<AdmittedBody<B>>;
    type Error = S::Error;
    type Future = AdmittedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<TonicBody>) -> Self::Future {
        let Some(ticket) = self.door.enter(request.uri().path()) else {
            return AdmittedFuture::Refused { status: Some(self.door.full()) };
        };
        if ticket.stop.is_some() {
            let stop = Box::pin(self.door.stop.clone().cancelled_owned());
            request = request.map(|inner| TonicBody::new(RequestsUntil { inner, stop }));
        }
        AdmittedFuture::Admitted { inner: self.inner.call(request), ticket: Some(ticket) }
    }
}

pin_project! {
    #[project = AdmittedProjection]
    pub(super) enum AdmittedFuture<F> {
        Admitted { #[pin] inner: F, ticket: Option<Ticket> },
        Refused { status: Option<Status> },
    }
}

impl<F, B, E> Future for AdmittedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AdmittedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AdmittedProjection::Admitted { inner, ticket } => {
                let response = ready!(inner.poll(cx))?;
                let ticket = ticket.take();
                Poll::Ready(Ok(response.map(|inner| AdmittedBody { inner: Some(inner), ticket })))
            }
            AdmittedProjection::Refused { status } => {
                let status = status.take().unwrap_or_else(|| Status::resource_exhausted("full"));
                let body = |()| AdmittedBody { inner: None, ticket: None };
                Poll::Ready(Ok(refusal(status).map(body)))
            }
        }
    }
}

pin_project! {
    pub(super) struct AdmittedBody<B> {
        #[pin]
        inner: Option<B>,
        ticket: Option<Ticket>,
    }
}

impl<B: Body<Data = Bytes>> Body for AdmittedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let polled = inner.poll_frame(cx);
        let stop = this.ticket.as_mut().and_then(|ticket| ticket.stop.as_mut());
        let stopped = stop.is_some_and(|stop| stop.as_mut().poll(cx).is_ready());
        let is_data = matches!(&polled, Poll::Ready(Some(Ok(frame))) if frame.is_data());
        if !stopped || is_data {
            return polled;
        }
        // Messages that were ready are out. However the stream would end from here on, this is why.
        this.inner.set(None);
        let status = Status::unavailable("the server is shutting down");
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

pin_project! {
    /// The request messages of an infrastructure stream: they end with the drain too, or a service
    /// that waits for the next one would keep the connection.
    struct RequestsUntil {
        #[pin]
        inner: TonicBody,
        stop: Stop,
    }
}

impl Body for RequestsUntil {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        match (this.inner.poll_frame(cx), this.stop.as_mut().poll(cx)) {
            (Poll::Pending, Poll::Ready(())) => Poll::Ready(None),
            (polled, _) => polled,
        }
    }
}
