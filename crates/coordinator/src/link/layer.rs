//! A layer, wherever it is: the one place where a coordinator with layers of its own process differs from one with a network.

use std::{fmt, sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use strata_domain::FaultKind;
use strata_wire::{Fault, pb};

use super::{
    hop::{Due, Forecasting, Hop, Placing, Selecting, TracePlace},
    needs::Mending,
    replicas::Replicas,
    session::spent,
};

/// A question to a layer of the same process.
#[derive(Debug)]
pub struct LocalAsk<Q> {
    /// What is asked.
    pub request: Q,
    /// Its place in its trace, as W3C's header writes it; empty: not traced.
    pub traceparent: String,
    /// What belongs to it.
    pub tracestate: String,
    /// When the answer must be there.
    pub deadline: Instant,
    /// Who asks, as a number: callers take turns.
    pub caller: u64,
    /// Whether no other decision is in work: nobody is about to ask.
    pub alone: bool,
}

type Load = dyn Fn(u32) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync;
type Ask<Q, R> = dyn Fn(LocalAsk<Q>) -> BoxFuture<'static, Result<R, Fault>> + Send + Sync;

/// A layer of the same process, asked by a call.
pub struct Local<Q, R> {
    ask: Arc<Ask<Q, R>>,
    load: Arc<Load>,
    mending: Arc<Mending>,
}

impl<Q, R> Local<Q, R> {
    /// A layer that `ask` asks, and that `load` has load a version of its model unless it is loaded.
    pub fn new(
        ask: impl Fn(LocalAsk<Q>) -> BoxFuture<'static, Result<R, Fault>> + Send + Sync + 'static,
        load: impl Fn(u32) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync + 'static,
    ) -> Self {
        Self { ask: Arc::new(ask), load: Arc::new(load), mending: Arc::default() }
    }
}

// Derived, it would ask for questions that can be cloned.
impl<Q, R> Clone for Local<Q, R> {
    fn clone(&self) -> Self {
        let Self { ask, load, mending } = self;
        Self { ask: Arc::clone(ask), load: Arc::clone(load), mending: Arc::clone(mending) }
    }
}

impl<Q, R> fmt::Debug for Local<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}

/// The three layers of the same process.
#[derive(Debug, Clone)]
pub struct LocalLayers {
    /// The strategic layer.
    pub strategic: Local<pb::SelectRequest, pb::SelectResponse>,
    /// The tactical layer.
    pub tactical: Local<pb::PlaceRequest, pb::PlaceResponse>,
    /// The operational layer.
    pub operational: Local<pb::ForecastRequest, pb::ForecastResponse>,
}

/// A layer that can be asked. Clones are the same layer.
pub(crate) enum Layer<H: Hop> {
    /// Its replicas, over streams.
    Remote(Replicas<H>),
    /// In this process.
    Local(Local<H::Request, H::Response>),
}

// Derived, it would ask for a hop that can be cloned.
impl<H: Hop> Clone for Layer<H> {
    fn clone(&self) -> Self {
        match self {
            Self::Remote(replicas) => Self::Remote(replicas.clone()),
            Self::Local(local) => Self::Local(local.clone()),
        }
    }
}

impl<H: Hop> Layer<H> {
    /// Whether it can be asked. One of this process was ready before there was a coordinator.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            Self::Remote(replicas) => replicas.is_up(),
            Self::Local(_) => true,
        }
    }

    /// Rows waiting to be sent.
    pub(crate) fn waiting(&self) -> usize {
        match self {
            Self::Remote(replicas) => replicas.waiting(),
            Self::Local(_) => 0,
        }
    }

    /// Has every replica load a version; one that is loaded is left as it is.
    ///
    /// # Errors
    /// The first refusal, with the replica that refuses.
    pub(crate) async fn load(&self, version: u32) -> Result<(), Fault> {
        match self {
            Self::Remote(replicas) => replicas.load(version).await,
            Self::Local(local) => (local.load)(version).await.map_err(|fault| {
                let message = format!("the {} layer: {}", H::LAYER, fault.message);
                Fault { message, ..fault }
            }),
        }
    }

    /// Asks it and waits for its answer until the deadline. A version that a row names was loaded before; where it was unloaded since, it is
    /// loaded again and the row asked once more.
    pub(crate) async fn ask(
        &self,
        request: H::Request,
        place: TracePlace,
        due: Due,
    ) -> Result<H::Response, Fault> {
        let version = H::pinned(&request);
        if version == 0 {
            return self.ask_once(request, place, due).await;
        }
        let again = (request.clone(), place.clone());
        let mending = match self {
            Self::Remote(replicas) => replicas.mending(),
            Self::Local(local) => &local.mending,
        };
        let seen = mending.so_far();
        match self.ask_once(request, place, due).await {
            // A layer has no other use for this kind.
            Err(fault) if fault.kind == FaultKind::FailedPrecondition => {
                let mended = mending.once(seen, self.mend(version));
                if tokio::time::timeout_at(due.deadline.into(), mended).await.is_err() {
                    return Err(spent(H::LAYER));
                }
                let (request, place) = again;
                self.ask_once(request, place, due).await
            }
            answered => answered,
        }
    }

    /// Loads a version again that was unloaded behind the back of the release that needs it.
    async fn mend(&self, version: u32) {
        tracing::warn!(layer = H::LAYER, version, "a version in use was unloaded, loading it");
        match self {
            Self::Remote(replicas) => replicas.mend(version).await,
            Self::Local(local) => {
                if let Err(fault) = (local.load)(version).await {
                    tracing::error!(
                        layer = H::LAYER,
                        version,
                        reason = fault.message,
                        "not loaded"
                    );
                }
            }
        }
    }

    async fn ask_once(
        &self,
        request: H::Request,
        place: TracePlace,
        due: Due,
    ) -> Result<H::Response, Fault> {
        match self {
            Self::Remote(replicas) => replicas.ask(request, place, due).await,
            Self::Local(local) => {
                let TracePlace { traceparent, tracestate } = place;
                let Due { deadline, caller, alone } = due;
                let asked = (local.ask)(LocalAsk {
                    request,
                    traceparent,
                    tracestate,
                    deadline,
                    caller,
                    alone,
                });
                let answered = tokio::time::timeout_at(deadline.into(), asked).await;
                answered.unwrap_or_else(|_| Err(spent(H::LAYER)))
            }
        }
    }
}

/// How each layer is reached.
pub(crate) struct Layers {
    pub(crate) strategic: Layer<Selecting>,
    pub(crate) tactical: Layer<Placing>,
    pub(crate) operational: Layer<Forecasting>,
}

impl From<LocalLayers> for Layers {
    fn from(local: LocalLayers) -> Self {
        Self {
            strategic: Layer::Local(local.strategic),
            tactical: Layer::Local(local.tactical),
            operational: Layer::Local(local.operational),
        }
    }
}

impl LocalLayers {
    /// Has the three load their versions, in the order of the chain.
    pub(crate) async fn load(
        &self,
        [strategic, tactical, operational]: [u32; 3],
    ) -> Result<(), Fault> {
        Layer::<Selecting>::Local(self.strategic.clone()).load(strategic).await?;
        Layer::<Placing>::Local(self.tactical.clone()).load(tactical).await?;
        Layer::<Forecasting>::Local(self.operational.clone()).load(operational).await
    }
}
