use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use strata_domain::FaultKind;
use strata_wire::{Fault, pb};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit, watch};

use super::release::Release;
use crate::link::Needs;

/// Maximum number of changes in the history.
const HISTORY: usize = 32;

/// Maximum number of changes that run or wait for the change lock. A change continues when its
/// caller leaves, so the number must be bounded.
const CHANGES: usize = 16;
/// A change takes milliseconds, unless a layer hangs.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The release in force, the history, and the versions that the layers must have loaded.
#[derive(Debug)]
pub(crate) struct Register {
    in_force: RwLock<Option<Arc<Release>>>,
    plan: Mutex<Plan>,
    /// By layer, in the order of the chain.
    needs: [watch::Sender<Needs>; 3],
    /// Held while a change loads releases, which takes time: one change runs at a time.
    change_lock: AsyncMutex<()>,
    /// One permit for each change that holds or waits for the change lock.
    permits: Semaphore,
}

#[derive(Debug)]
struct Plan {
    /// Newest first; never empty.
    history: VecDeque<Change>,
    /// The release that is being loaded.
    coming: Option<Arc<Release>>,
}

#[derive(Debug)]
struct Change {
    release: Option<Arc<Release>>,
    at: SystemTime,
}

impl Register {
    /// Starts with a release in force, or with none.
    pub(crate) fn starting_with(release: Option<Release>) -> Self {
        let release = release.map(Arc::new);
        let first = Change { release: release.clone(), at: SystemTime::now() };
        let this = Self {
            in_force: RwLock::new(release),
            plan: Mutex::new(Plan { history: [first].into(), coming: None }),
            needs: std::array::from_fn(|_| watch::Sender::default()),
            change_lock: AsyncMutex::default(),
            permits: Semaphore::new(CHANGES),
        };
        this.tell(&this.plan());
        this
    }

    /// The release in force now.
    pub(crate) fn in_force(&self) -> Option<Arc<Release>> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The versions of the release in force and of the one that a rollback restores, by layer in
    /// the order of the chain.
    pub(crate) fn kept(&self) -> [Vec<u32>; 3] {
        let plan = self.plan();
        let releases: Vec<_> =
            plan.history.iter().take(2).filter_map(|change| change.release.as_ref()).collect();
        std::array::from_fn(|layer| {
            let mut versions: Vec<_> =
                releases.iter().map(|release| release.versions()[layer]).collect();
            versions.sort_unstable();
            versions.dedup();
            versions
        })
    }

    /// The versions that replicas must have loaded, by layer in the order of the chain.
    pub(crate) fn needs(&self) -> [watch::Receiver<Needs>; 3] {
        self.needs.each_ref().map(watch::Sender::subscribe)
    }

    /// Puts a release in force after `load` has loaded it on every replica.
    ///
    /// # Errors
    /// The fault of `load`, or `ResourceExhausted` when too many changes wait; then nothing
    /// changes.
    pub(crate) async fn switch(
        &self,
        release: Release,
        load: impl AsyncFnOnce(&Release) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let _permit = self.permit()?;
        let _lock = self.change_lock.lock().await;
        self.bring(Some(Arc::new(release)), load).await
    }

    /// Restores the release that was in force before the last change.
    ///
    /// # Errors
    /// `FailedPrecondition` when there was no change, `ResourceExhausted` when too many changes
    /// wait, or the fault of `load`.
    pub(crate) async fn roll_back(
        &self,
        load: impl AsyncFnOnce(&Release) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let _permit = self.permit()?;
        let _lock = self.change_lock.lock().await;
        let before = self.plan().history.get(1).map(|change| change.release.clone());
        let before = before.ok_or_else(|| {
            let message = "no release has been put in force since the coordinator started";
            Fault::new(FaultKind::FailedPrecondition, message)
        })?;
        self.bring(before, load).await
    }

    /// Takes a permit for a change.
    fn permit(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.permits.try_acquire().map_err(|_| {
            let message = format!("{CHANGES} changes of the release are in work or waiting");
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        })
    }

    /// Ends the release in force without waiting. If another release is being loaded, it still
    /// comes into force when its load ends.
    pub(crate) fn clear(&self) {
        self.put(None);
    }

    /// Loads a release and puts it in force. The caller holds the change lock.
    async fn bring(
        &self,
        release: Option<Arc<Release>>,
        load: impl AsyncFnOnce(&Release) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(release) = &release {
            // From here on, a replica that connects loads the release as well, so no replica is
            // missed between the load and the switch.
            self.expect(Some(Arc::clone(release)));
            let loaded = load(release).await;
            if loaded.is_err() {
                self.expect(None);
            }
            loaded?;
        }
        self.put(release);
        Ok(())
    }

    fn expect(&self, coming: Option<Arc<Release>>) {
        let mut plan = self.plan();
        plan.coming = coming;
        self.tell(&plan);
    }

    fn put(&self, release: Option<Arc<Release>>) {
        let mut plan = self.plan();
        if release.is_some() {
            plan.coming = None;
        }
        let before = plan.history.front().and_then(|change| change.release.clone());
        if before != release {
            *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = release.clone();
            tracing::info!(
                release = release.as_ref().map(|release| release.name()),
                versions = ?release.as_ref().map(|release| release.versions()),
                before = before.as_ref().map(|release| release.name()),
                "release changed"
            );
            plan.history.push_front(Change { release, at: SystemTime::now() });
            plan.history.truncate(HISTORY);
        }
        self.tell(&plan);
    }

    /// Publishes the versions that replicas must have loaded. The previous release stays among them
    /// where possible: a rollback may restore it, and decisions in progress still use it.
    fn tell(&self, plan: &Plan) {
        let now = plan.history.front().and_then(|change| change.release.as_ref());
        let before = plan.history.get(1).and_then(|change| change.release.as_ref());
        for (layer, needs) in self.needs.iter().enumerate() {
            let version = |release: &Arc<Release>| release.versions()[layer];
            let mut must: Vec<_> = now.into_iter().chain(&plan.coming).map(version).collect();
            must.dedup();
            let may = before.map(version).filter(|version| !must.contains(version));
            needs.send_replace(Needs { must, may: may.into_iter().collect() });
        }
    }

    /// Code under this lock cannot panic.
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The release in force and the history as a message.
    pub(crate) fn listed(&self) -> pb::ListReleasesResponse {
        let plan = self.plan();
        let message = |release: &Option<Arc<Release>>| release.as_ref().map(|found| found.to_pb());
        let at = |index: usize| plan.history.get(index).and_then(|change| message(&change.release));
        let history = plan.history.iter().map(|change| pb::ReleaseChange {
            release: message(&change.release),
            at: Some(change.at.into()),
        });
        pb::ListReleasesResponse { in_force: at(0), previous: at(1), history: history.collect() }
    }
}
