//! The versions that releases need of a layer, and how replicas load them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use strata_domain::FaultKind;
use strata_wire::{Fault, pb};
use tokio::sync::Mutex;
use tonic::transport::Channel;

/// The versions of a layer's model that a replica loads before it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The replica is asked only when it has loaded all of these.
    pub(crate) must: Vec<u32>,
    /// The replica is asked even if it could not load one of these.
    pub(crate) may: Vec<u32>,
}

/// The coordinator stops waiting for a load after this time; the replica continues to load.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the replica behind `channel` load a version; a loaded version is left as it is.
pub(super) async fn load(channel: Channel, version: u32) -> Result<(), Fault> {
    let mut models = pb::models_client::ModelsClient::new(channel);
    let request = pb::LoadModelRequest { version, ..Default::default() };
    let late = |_| {
        let message = format!("version {version} is not loaded after {} s", PATIENCE.as_secs());
        Fault::new(FaultKind::DeadlineExceeded, message)
    };
    let loaded = tokio::time::timeout(PATIENCE, models.load(request)).await.map_err(late)??;
    let loaded = loaded.into_inner();
    if (loaded.version, loaded.state()) != (version, pb::ModelState::Ready) {
        let message = format!("version {version} is not ready after it was loaded");
        return Err(Fault::new(FaultKind::FailedPrecondition, message));
    }
    Ok(())
}

/// Reloads an unloaded version once for all rows that found it missing.
#[derive(Debug, Default)]
pub(super) struct Reload {
    lock: Mutex<()>,
    done: AtomicU64,
}

impl Reload {
    /// The number of reloads so far.
    pub(super) fn count(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Does `work`, unless another caller did it after the count was `seen`.
    pub(super) async fn once(&self, seen: u64, work: impl Future<Output = ()>) {
        let _lock = self.lock.lock().await;
        if self.count() == seen {
            work.await;
            self.done.fetch_add(1, Ordering::AcqRel);
        }
    }
}
