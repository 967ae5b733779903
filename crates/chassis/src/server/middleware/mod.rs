//! The middleware of the gRPC server, in order.

mod admission;
mod deadline;
mod metrics;
mod panics;
mod watch;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceBuilder};

use self::{admission::Admission, deadline::ObeyTimeout, panics::CatchPanics, watch::WatchLayer};
use super::methods::MethodTable;
use crate::drain::Drain;

pub(super) use self::{admission::INFRASTRUCTURE, metrics::RpcMetrics};

/// What the middleware needs to know.
pub(super) struct Parts {
    pub(super) rpc: Arc<RpcMetrics>,
    pub(super) methods: Arc<MethodTable>,
    pub(super) max_concurrent_calls: usize,
    pub(super) drain: Drain,
    /// Cancelled when no new calls are taken.
    pub(super) stop: CancellationToken,
}

/// A call passes the layers from the first to the last, its answer from the last to the first.
/// Bodies nest without boxes: a frame of an answer costs no allocation here.
pub(super) fn build(
    routes: Routes,
    parts: Parts,
) -> impl Service<
    Request<Body>,
    Response = Response<impl HttpBody<Data = Bytes, Error = tonic::Status> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    ServiceBuilder::new()
        // First, to count and time what the caller sees, refusals of the layers below included.
        .layer(WatchLayer(parts.rpc))
        // Around everything that runs code of services: a panic is INTERNAL to its one caller.
        .layer(WatchLayer(CatchPanics))
        // The clock starts before the call waits for anything.
        .layer(WatchLayer(ObeyTimeout))
        // Last before the services: what it lets in is work that has to be answered.
        .layer(WatchLayer(Admission::new(
            parts.max_concurrent_calls,
            parts.methods,
            parts.drain,
            parts.stop,
        )))
        .service(routes)
}
