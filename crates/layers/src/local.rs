//! The layers without a socket, for a coordinator in the same process.

use std::{fmt, sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use strata_chassis::{BoxError, Drain, Metrics, ServerError};
use strata_wire::{Fault, pb};

use crate::{
    config::LayerSection,
    engine::Asked,
    gather::Desk,
    models::whole,
    operational::Operational,
    process::{Layer, Settings, Started, start},
    strategic::Strategic,
    tactical::Tactical,
};

/// A question of the same process.
#[derive(Debug)]
pub struct LocalQuestion<Q> {
    /// What is asked.
    pub request: Q,
    /// Its place in its trace, as W3C's header writes it; empty: not traced.
    pub traceparent: String,
    /// What belongs to it.
    pub tracestate: String,
    /// When the answer must be there.
    pub deadline: Instant,
    /// Who asks: callers take turns.
    pub caller: u64,
    /// Whether nobody else of this process is about to ask.
    pub alone: bool,
}

type Ask<Q, R> = dyn Fn(LocalQuestion<Q>) -> BoxFuture<'static, Result<R, Fault>> + Send + Sync;

type Load = dyn Fn(u32) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync;

/// A layer that is asked by a call: what a row of a frame passes through, but for the frame. Clones are the same layer.
pub struct Handle<Q, R> {
    ask: Arc<Ask<Q, R>>,
    load: Arc<Load>,
}

// Derived, it would ask for questions that can be cloned.
impl<Q, R> Clone for Handle<Q, R> {
    fn clone(&self) -> Self {
        Self { ask: Arc::clone(&self.ask), load: Arc::clone(&self.load) }
    }
}

impl<Q, R> fmt::Debug for Handle<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl<Q, R> Handle<Q, R> {
    /// Asks the layer. Rows of its other callers may run in the same batch.
    ///
    /// # Errors
    /// The fault that a row would be answered with.
    pub fn ask(&self, question: LocalQuestion<Q>) -> BoxFuture<'static, Result<R, Fault>> {
        (self.ask)(question)
    }

    /// Loads a version of the layer's model, as `strata.v1.Models.Load` does; one that is loaded is left as it is. It goes on when nobody waits
    /// for it any more.
    ///
    /// # Errors
    /// `NotFound` when there is no such version, `FailedPrecondition` when it cannot be used, `ResourceExhausted` when too many are loaded.
    pub fn load(&self, version: u32) -> BoxFuture<'static, Result<(), Fault>> {
        (self.load)(version)
    }
}

/// A layer that is ready.
pub struct LocalLayer<Q, R> {
    /// To ask it.
    pub handle: Handle<Q, R>,
    /// Serves its gRPC port until the drain is over.
    pub serving: BoxFuture<'static, Result<(), ServerError>>,
    /// Works off what its models still have to do, and refuses new questions from then on: to be awaited when nobody asks any more.
    pub finishing: BoxFuture<'static, ()>,
}

impl<Q, R> fmt::Debug for LocalLayer<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLayer").finish_non_exhaustive()
    }
}

/// Starts the strategic layer in this process: listeners, model, readiness.
///
/// # Errors
/// A listener that cannot be bound, or a model that cannot be served.
pub async fn start_strategic(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<LocalLayer<pb::SelectRequest, pb::SelectResponse>, BoxError> {
    local::<Strategic>(section, metrics, drain).await
}

/// Starts the tactical layer in this process: listeners, model, readiness.
///
/// # Errors
/// A listener that cannot be bound, or a model that cannot be served.
pub async fn start_tactical(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<LocalLayer<pb::PlaceRequest, pb::PlaceResponse>, BoxError> {
    local::<Tactical>(section, metrics, drain).await
}

/// Starts the operational layer in this process: listeners, model, readiness.
///
/// # Errors
/// A listener that cannot be bound, or a model that cannot be served.
pub async fn start_operational(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<LocalLayer<pb::ForecastRequest, pb::ForecastResponse>, BoxError> {
    local::<Operational>(section, metrics, drain).await
}

async fn local<A: Layer>(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<LocalLayer<A::Request, A::Response>, BoxError> {
    let LayerSection { grpc, admin, models, inference } = section;
    let settings = Settings { grpc, admin, models, inference };
    let Started { server, services, service, tended } =
        start::<A>(settings, metrics, drain).await?;
    let desk = Arc::new(Desk::open(service, inference.queue_rows, inference.sessions));
    let ask = move |question| -> BoxFuture<'static, _> {
        let LocalQuestion { request, traceparent, tracestate, deadline, caller, alone } = question;
        let desk = Arc::clone(&desk);
        Box::pin(async move {
            let asked = Asked::here::<A>(request, deadline, (&traceparent, &tracestate));
            desk.ask(asked, caller, alone).await
        })
    };
    let catalog = Arc::clone(&tended.catalog);
    let load = move |version| -> BoxFuture<'static, _> {
        let catalog = Arc::clone(&catalog);
        Box::pin(whole(async move { catalog.load(Some(version)).await.map(drop) }))
    };
    Ok(LocalLayer {
        handle: Handle { ask: Arc::new(ask), load: Arc::new(load) },
        serving: Box::pin(server.serve(services)),
        finishing: Box::pin(tended.finish()),
    })
}
