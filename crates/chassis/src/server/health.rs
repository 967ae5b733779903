//! Readiness: one switch for gRPC health and for `/readyz`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Mutex;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// The switch for readiness. It starts off; the binary turns it on, and the drain turns it off for
/// good. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct HealthHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reporter: HealthReporter,
    ready: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What health answers about: everything (`""`) and each service by name.
    names: Vec<&'static str>,
    draining: bool,
}

impl HealthHandle {
    pub(super) fn new() -> Self {
        let inner = Inner {
            reporter: HealthReporter::new(),
            ready: AtomicBool::new(false),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says that the process is ready: model loaded, warm-up done. Ignored while draining.
    pub async fn serving(&self) {
        let state = self.inner.state.lock().await;
        if !state.draining {
            self.set(&state, true).await;
        }
    }

    /// Says that the process is not ready.
    pub async fn not_serving(&self) {
        let state = self.inner.state.lock().await;
        self.set(&state, false).await;
    }

    /// Whether the process is ready.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.inner.ready.load(Ordering::Acquire)
    }

    pub(super) async fn drain(&self) {
        let mut state = self.inner.state.lock().await;
        state.draining = true;
        self.set(&state, false).await;
    }

    /// The health service, knowing `names` besides the server as a whole.
    pub(super) async fn service_for(&self, names: &[&'static str]) -> HealthServer<HealthService> {
        let mut state = self.inner.state.lock().await;
        state.names = std::iter::once("").chain(names.iter().copied()).collect();
        // tonic's reporter is born with "" serving.
        self.set(&state, self.is_serving()).await;
        HealthServer::new(HealthService::from_health_reporter(self.inner.reporter.clone()))
    }

    async fn set(&self, state: &State, ready: bool) {
        if self.inner.ready.swap(ready, Ordering::AcqRel) != ready {
            tracing::info!(ready, "readiness changed");
        }
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &state.names {
            self.inner.reporter.set_service_status(name, status).await;
        }
    }
}
