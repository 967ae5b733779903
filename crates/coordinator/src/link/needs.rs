//! What the releases need of a layer, and how its replicas come to have it.

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
    /// Without these it is not asked.
    pub(crate) must: Vec<u32>,
    /// These are loaded where that works.
    pub(crate) may: Vec<u32>,
}

/// A load that takes longer is given up; the replica goes on with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has the replica behind `channel` load a version; one that is loaded is left as it is.
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

/// Loads again what rows found unloaded, once for all the rows that found so.
#[derive(Debug, Default)]
pub(super) struct Reload {
    turn: Mutex<()>,
    done: AtomicU64,
}

impl Reload {
    /// How often it was done.
    pub(super) fn count(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Does the work, unless it was done since the count was `seen`.
    pub(super) async fn once(&self, seen: u64, work: impl Future<Output = ()>) {
        let _turn = self.turn.lock().await;
        if self.count() == seen {
            work.await;
            self.done.fetch_add(1, Ordering::AcqRel);
        }
    }
}
