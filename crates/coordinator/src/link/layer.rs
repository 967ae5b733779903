//! A layer, wherever it is: the one place where a coordinator with layers of its own process differs from one with a network.

use std::{fmt, sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use strata_wire::{Fault, pb};

use super::{
    hop::{Due, Forecasting, Hop, Placing, Selecting, TracePlace},
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
}

type Ask<Q, R> = dyn Fn(LocalAsk<Q>) -> BoxFuture<'static, Result<R, Fault>> + Send + Sync;

/// A layer of the same process, asked by a call.
pub struct Local<Q, R>(Arc<Ask<Q, R>>);

impl<Q, R> Local<Q, R> {
    /// A layer that `ask` asks.
    pub fn new(
        ask: impl Fn(LocalAsk<Q>) -> BoxFuture<'static, Result<R, Fault>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(ask))
    }
}

// Derived, it would ask for questions that can be cloned.
impl<Q, R> Clone for Local<Q, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
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

    /// Asks it and waits for its answer until the deadline.
    pub(crate) async fn ask(
        &self,
        request: H::Request,
        place: TracePlace,
        due: Due,
    ) -> Result<H::Response, Fault> {
        match self {
            Self::Remote(replicas) => replicas.ask(request, place, due).await,
            Self::Local(Local(ask)) => {
                let TracePlace { traceparent, tracestate } = place;
                let Due { deadline, caller } = due;
                let asked = ask(LocalAsk { request, traceparent, tracestate, deadline, caller });
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
