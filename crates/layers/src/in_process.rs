//! Serves the layers without a socket, for a coordinator in the same process.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use strata_chassis::{BoxError, Drain, Metrics, ServerError};
use strata_wire::{Answers, Ask, Fault, Forecasting, Hop, Placing, Selecting};

use crate::{
    adapter::{Adapter, LayerRequest, Operational, RowResult, Strategic, Tactical},
    config::LayerSection,
    layers::Layer,
    models::{Catalog, whole},
    process::{Settings, Started, start},
    serving::{Asked, Gatherer},
};

/// A layer in this process that is ready.
pub struct InProcess<H: Hop> {
    /// The layer, for calls from the same process.
    pub layer: Arc<dyn Answers<H>>,
    /// Serves its gRPC port until the drain is over.
    pub serving: BoxFuture<'static, Result<(), ServerError>>,
    /// Waits until the models have run all accepted rows, and refuses new rows from then on. Await
    /// this only after the last caller has stopped.
    pub finishing: BoxFuture<'static, ()>,
}

impl<H: Hop> fmt::Debug for InProcess<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("layer", &H::LAYER).finish_non_exhaustive()
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
) -> Result<InProcess<Selecting>, BoxError> {
    in_process::<Strategic>(section, metrics, drain).await
}

/// Starts the tactical layer in this process: listeners, model, readiness.
///
/// # Errors
/// A listener that cannot be bound, or a model that cannot be served.
pub async fn start_tactical(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<InProcess<Placing>, BoxError> {
    in_process::<Tactical>(section, metrics, drain).await
}

/// Starts the operational layer in this process: listeners, model, readiness.
///
/// # Errors
/// A listener that cannot be bound, or a model that cannot be served.
pub async fn start_operational(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<InProcess<Forecasting>, BoxError> {
    in_process::<Operational>(section, metrics, drain).await
}

async fn in_process<A: Layer>(
    section: &LayerSection,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<InProcess<A::Hop>, BoxError> {
    let LayerSection { grpc, admin, catalogue, models, inference } = section;
    let settings = Settings { grpc, admin, catalogue, models, inference };
    let Started { server, services, service, tended } =
        start::<A>(settings, metrics, drain).await?;
    let rows = Arc::new(Gatherer::start(service, inference.queue_rows, inference.sessions));
    Ok(InProcess {
        layer: Arc::new(Local { rows, catalog: Arc::clone(&tended.catalog) }),
        serving: Box::pin(server.serve(services)),
        finishing: Box::pin(tended.finish()),
    })
}

/// A layer that is asked by a call: a row takes the same path as a row of a frame.
struct Local<A: Adapter> {
    rows: Arc<Gatherer<A>>,
    catalog: Arc<Catalog<A>>,
}

impl<A: Adapter> Answers<A::Hop> for Local<A> {
    fn ask(&self, ask: Ask<LayerRequest<A>>) -> BoxFuture<'static, RowResult<A>> {
        let Ask { request, trace, deadline, caller, alone } = ask;
        let rows = Arc::clone(&self.rows);
        Box::pin(
            async move { rows.ask(Asked::here(request, deadline, &trace), caller, alone).await },
        )
    }

    fn load(&self, version: u32) -> BoxFuture<'static, Result<(), Fault>> {
        let catalog = Arc::clone(&self.catalog);
        Box::pin(whole(async move { catalog.load(Some(version)).await.map(drop) }))
    }
}
