//! A layer, remote or in this process. Nothing else in the coordinator depends on which of the two
//! it is.

use std::{fmt, sync::Arc, time::Instant};

use futures_util::future::Either;
use strata_domain::FaultKind;
use strata_wire::{Answers, Ask, Fault, Forecasting, Hop, Placing, Selecting};

use super::{faults::spent, job::Reply, needs::Reload, replicas::Replicas};

/// The three layers in this process.
#[derive(Clone)]
pub struct LocalLayers {
    /// The strategic layer.
    pub strategic: Arc<dyn Answers<Selecting>>,
    /// The tactical layer.
    pub tactical: Arc<dyn Answers<Placing>>,
    /// The operational layer.
    pub operational: Arc<dyn Answers<Forecasting>>,
}

impl fmt::Debug for LocalLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLayers").finish_non_exhaustive()
    }
}

/// A layer in this process.
pub(crate) struct Local<H: Hop> {
    layer: Arc<dyn Answers<H>>,
    reload: Arc<Reload>,
}

impl<H: Hop> Local<H> {
    fn ask(&self, ask: Ask<H::Request>) -> impl Future<Output = Reply<H>> + Send + use<H> {
        let deadline = ask.deadline;
        let asked = self.layer.ask(ask);
        async move {
            let answered = tokio::time::timeout_at(deadline.into(), asked).await;
            (answered.unwrap_or_else(|_| Err(spent(H::LAYER))), Instant::now())
        }
    }
}

/// A layer. Clones share their state.
pub(crate) enum Layer<H: Hop> {
    /// Replicas behind the network, over streams.
    Remote(Replicas<H>),
    /// In this process.
    Local(Local<H>),
}

// A derived implementation would require `H: Clone`.
impl<H: Hop> Clone for Layer<H> {
    fn clone(&self) -> Self {
        match self {
            Self::Remote(replicas) => Self::Remote(replicas.clone()),
            Self::Local(Local { layer, reload }) => {
                Self::Local(Local { layer: Arc::clone(layer), reload: Arc::clone(reload) })
            }
        }
    }
}

/// A response and the moment it arrived.
#[derive(Debug)]
pub(crate) struct Answered<R> {
    pub(crate) response: R,
    pub(crate) at: Instant,
}

impl<H: Hop> Layer<H> {
    /// Wraps a layer in this process.
    pub(crate) fn local(layer: Arc<dyn Answers<H>>) -> Self {
        Self::Local(Local { layer, reload: Arc::default() })
    }

    /// Whether the layer can be asked. A layer in this process is ready before the coordinator
    /// starts.
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

    /// Loads a version on every replica; a replica that has it loaded keeps it as it is.
    ///
    /// # Errors
    /// The first fault, with the replica.
    pub(crate) async fn load(&self, version: u32) -> Result<(), Fault> {
        match self {
            Self::Remote(replicas) => replicas.load(version).await,
            Self::Local(local) => local.layer.load(version).await.map_err(|fault| {
                let message = format!("the {} layer: {}", H::LAYER, fault.message);
                Fault { message, ..fault }
            }),
        }
    }

    /// Asks the layer. The row is queued when this returns; the future waits for the answer until
    /// the deadline. When the version that the request names has been unloaded since the release
    /// loaded it, the layer loads it again and the row is sent once more.
    pub(crate) fn ask(
        &self,
        ask: Ask<H::Request>,
    ) -> impl Future<Output = Result<Answered<H::Response>, Fault>> + Send {
        let version = H::model_version(&ask.request);
        let again = (version > 0).then(|| Box::new((ask.clone(), self.reload().count())));
        let first = self.send(ask);
        async move {
            let (result, at) = first.await;
            let (result, at) = match (result, again) {
                // A layer uses this kind only for a version that is not loaded.
                (Err(fault), Some(again)) if fault.kind == FaultKind::FailedPrecondition => {
                    let (ask, seen) = *again;
                    let reloaded = self.reload().once(seen, self.reload_version(version));
                    if tokio::time::timeout_at(ask.deadline.into(), reloaded).await.is_err() {
                        return Err(spent(H::LAYER));
                    }
                    self.send(ask).await
                }
                (result, _) => (result, at),
            };
            result.map(|response| Answered { response, at })
        }
    }

    fn send(&self, ask: Ask<H::Request>) -> impl Future<Output = Reply<H>> + Send + use<H> {
        match self {
            Self::Remote(replicas) => Either::Left(replicas.ask(ask)),
            Self::Local(local) => Either::Right(local.ask(ask)),
        }
    }

    fn reload(&self) -> &Reload {
        match self {
            Self::Remote(replicas) => replicas.reload(),
            Self::Local(local) => &local.reload,
        }
    }

    /// Reloads a version that a release needs and that was unloaded by somebody else.
    async fn reload_version(&self, version: u32) {
        tracing::warn!(
            layer = H::LAYER,
            version,
            "a version in use was unloaded, loading it again"
        );
        match self {
            Self::Remote(replicas) => replicas.reload_version(version).await,
            Self::Local(local) => {
                if let Err(fault) = local.layer.load(version).await {
                    let reason = fault.message;
                    tracing::error!(
                        layer = H::LAYER,
                        version,
                        reason,
                        "the layer did not load a version"
                    );
                }
            }
        }
    }
}

/// The three layers. Clones share their state.
#[derive(Clone)]
pub(crate) struct Layers {
    pub(crate) strategic: Layer<Selecting>,
    pub(crate) tactical: Layer<Placing>,
    pub(crate) operational: Layer<Forecasting>,
}

impl Layers {
    /// Whether every layer can be asked.
    pub(crate) fn are_up(&self) -> bool {
        self.strategic.is_up() && self.tactical.is_up() && self.operational.is_up()
    }

    /// Whether rows travel to the layers over streams.
    pub(crate) fn are_remote(&self) -> bool {
        matches!(self.strategic, Layer::Remote(_))
    }

    /// Rows waiting to be sent, by layer in the order of the chain.
    pub(crate) fn waiting(&self) -> [(&'static str, usize); 3] {
        [
            (Selecting::LAYER, self.strategic.waiting()),
            (Placing::LAYER, self.tactical.waiting()),
            (Forecasting::LAYER, self.operational.waiting()),
        ]
    }
}

impl From<LocalLayers> for Layers {
    fn from(local: LocalLayers) -> Self {
        Self {
            strategic: Layer::local(local.strategic),
            tactical: Layer::local(local.tactical),
            operational: Layer::local(local.operational),
        }
    }
}
