use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use strata_chassis::{BoxError, report};
use strata_domain::FaultKind;
use strata_runtime::{RepositoryError, Stamp};
use strata_wire::{Fault, pb};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};

use super::{
    figures::VersionFigures,
    loader_thread::LoaderThread,
    policy::Policy,
    snapshot::{MAX_LOADED, Snapshot},
    traffic::Traffic,
    version::{Loader, Refusal},
};
use crate::{
    adapter::Adapter,
    models::{
        file_access::FileAccess,
        runner::{Runner, Runners},
    },
};

/// Longest wait for an unload. Rows in flight have deadlines of at most this length.
const UNLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Maximum number of loads and unloads that run or wait for the change lock. They continue when
/// their callers leave, so the number must be bounded.
const CHANGES: usize = 16;
/// A small model loads in about this time.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Every version of a layer's model.
pub(crate) struct Catalog<A> {
    pub(super) loader: Loader,
    snapshot: RwLock<Arc<Snapshot<A>>>,
    conditions: Mutex<BTreeMap<u32, Condition>>,
    thread: LoaderThread,
    /// Held while a change loads or unloads versions, which takes time: one change runs at a time.
    pub(super) change_lock: AsyncMutex<()>,
    /// One permit for each requested change that holds or waits for the change lock.
    permits: Semaphore,
    files: FileAccess,
    /// Held while a change replaces the snapshot, which takes no time: a rollback never waits for a
    /// load. Readers wait for neither lock.
    plan: Mutex<Plan>,
}

/// The state of a version that is not loaded, if it is anything but available.
#[derive(Clone)]
pub(super) enum Condition {
    Loading,
    Unloading,
    Failed {
        reason: String,
        /// Stamp of the files that failed to load.
        stamp: Option<Stamp>,
    },
}

/// The requests of operators that later changes respect.
#[derive(Default)]
pub(super) struct Plan {
    /// The traffic before the last change.
    pub(super) previous: Option<Traffic>,
    /// Versions that an operator loaded (true) or unloaded (false): the policy does not apply to
    /// them.
    pub(super) by_hand: BTreeMap<u32, bool>,
}

/// The versions to load when a layer starts.
pub(crate) struct Start<'a> {
    /// The version that gets the traffic; unset means the newest that the policy selects.
    pub(crate) version: Option<u32>,
    pub(crate) policy: &'a Policy,
}

impl<A: Adapter> Catalog<A> {
    /// Loads the first version, which gets all traffic. This blocks for some milliseconds; the
    /// process does nothing else at that time.
    ///
    /// # Errors
    /// When the version cannot be served: a layer does not start without a model.
    pub(crate) fn start(loader: Loader, start: &Start<'_>) -> Result<Self, BoxError> {
        let number = match start.version {
            Some(number) => number,
            None => newest_wanted::<A>(&loader, start.policy)?,
        };
        let version = loader.start(loader.prepare::<A>(number)?)?;
        Ok(Self {
            loader,
            snapshot: RwLock::new(Arc::new(Snapshot::of(version))),
            conditions: Mutex::default(),
            thread: LoaderThread::start()?,
            change_lock: AsyncMutex::default(),
            permits: Semaphore::new(CHANGES),
            files: FileAccess::default(),
            plan: Mutex::default(),
        })
    }

    /// The versions that are loaded now, and the traffic between them.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot<A>> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the snapshot. The caller holds the plan.
    fn put(&self, snapshot: Snapshot<A>) {
        let snapshot = Arc::new(snapshot);
        let old = {
            let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, snapshot)
        };
        // Dropped after the lock is released, because this may drop the last handle of a version.
        drop(old);
    }

    /// Code under this lock cannot panic.
    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Code under this lock cannot panic.
    pub(super) fn conditions(&self) -> MutexGuard<'_, BTreeMap<u32, Condition>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a version, or the newest. It gets no traffic.
    ///
    /// # Errors
    /// `NotFound`, `FailedPrecondition` when the version cannot be served, `ResourceExhausted` when
    /// too many versions are loaded or too many changes wait.
    pub(crate) async fn load(self: &Arc<Self>, number: Option<u32>) -> Result<u32, Fault> {
        let _permit = self.permit()?;
        let _lock = self.change_lock.lock().await;
        let number = match number {
            Some(number) => number,
            None => self
                .blocking(|this| this.loader.repository.newest(A::NAME))
                .await?
                .map_err(|error| Refusal::Files(error).into_fault())?,
        };
        self.bring(number).await?;
        self.plan().by_hand.insert(number, true);
        Ok(number)
    }

    /// Takes a permit for a change.
    fn permit(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.permits.try_acquire().map_err(|_| {
            let message = format!("{CHANGES} loads and unloads are in work or waiting");
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        })
    }

    /// Loads a version unless it is loaded. The caller holds the change lock.
    pub(super) async fn bring(self: &Arc<Self>, number: u32) -> Result<(), Fault> {
        let snapshot = self.snapshot();
        if snapshot.loaded().contains_key(&number) {
            return Ok(());
        }
        if snapshot.loaded().len() >= MAX_LOADED {
            return Err(full(&snapshot));
        }
        let before = self.conditions().insert(number, Condition::Loading);
        let this = Arc::clone(self);
        let work = move || {
            let stamp = this.loader.stamp::<A>(number);
            this.loader.prepare::<A>(number).map_err(|refusal| (refusal, stamp))
        };
        let prepared = self.thread.run(work).await.ok_or_else(interrupted);
        let started = prepared.map(|prepared| {
            let start = |version| self.loader.start(version).map_err(|refusal| (refusal, None));
            prepared.and_then(start)
        });
        match started {
            Ok(Ok(version)) => {
                let metrics = &self.loader.metrics;
                metrics.loaded();
                tracing::info!(
                    model = A::NAME,
                    version = number,
                    execution_provider = %version.runner.model().execution_provider(),
                    precision = %version.precision,
                    "version loaded"
                );
                let plan = self.plan();
                self.put(self.snapshot().with(Arc::new(version)));
                drop(plan);
                self.conditions().remove(&number);
                Ok(())
            }
            Ok(Err((refusal, _))) if refusal.is_absence() => {
                let mut conditions = self.conditions();
                match before {
                    Some(before) => conditions.insert(number, before),
                    None => conditions.remove(&number),
                };
                Err(refusal.into_fault())
            }
            Ok(Err((refusal, stamp))) => {
                self.failed(number, report(&refusal).to_string(), stamp);
                Err(refusal.into_fault())
            }
            Err(fault) => {
                self.failed(number, fault.message.clone(), None);
                Err(fault)
            }
        }
    }

    fn failed(&self, number: u32, reason: String, stamp: Option<Stamp>) {
        self.loader.metrics.refused();
        tracing::error!(model = A::NAME, version = number, reason, "version refused");
        self.conditions().insert(number, Condition::Failed { reason, stamp });
    }

    /// Unloads a version; completes once its threads and sessions have ended.
    ///
    /// # Errors
    /// `NotFound` when the version is not loaded, `FailedPrecondition` while it has traffic or is a
    /// shadow, `ResourceExhausted` when too many changes wait.
    pub(crate) async fn unload(&self, number: u32) -> Result<(), Fault> {
        let _permit = self.permit()?;
        let _lock = self.change_lock.lock().await;
        let snapshot = self.snapshot();
        if !snapshot.loaded().contains_key(&number) {
            let message = format!("version {number} is not loaded");
            return Err(Fault::new(FaultKind::NotFound, message));
        }
        drop(snapshot);
        if !self.retire(number).await {
            let what = match self.snapshot().traffic().percent(number) {
                0 => "is a shadow".to_owned(),
                percent => format!("has {percent} % of the traffic"),
            };
            let message = format!("version {number} {what}; set the traffic to others first");
            return Err(Fault::new(FaultKind::FailedPrecondition, message));
        }
        self.plan().by_hand.insert(number, false);
        Ok(())
    }

    /// Unloads every version that has no traffic and is no shadow; returns how many it unloaded.
    ///
    /// # Errors
    /// `ResourceExhausted` when too many changes wait.
    pub(crate) async fn unload_idle(&self) -> Result<usize, Fault> {
        let _permit = self.permit()?;
        let _lock = self.change_lock.lock().await;
        let snapshot = self.snapshot();
        let numbers: Vec<u32> = snapshot.loaded().keys().copied().collect();
        drop(snapshot);
        let mut unloaded = 0;
        for number in numbers {
            if self.retire(number).await {
                self.plan().by_hand.insert(number, false);
                unloaded += 1;
            }
        }
        Ok(unloaded)
    }

    /// Unloads a version, unless it has traffic or is a shadow. The caller holds the change lock.
    pub(super) async fn retire(&self, number: u32) -> bool {
        let Some(ended) = self.take_out(number) else { return false };
        // Rows in flight still hold the version; the last of them frees it.
        if tokio::time::timeout(UNLOAD_PATIENCE, ended).await.is_err() {
            tracing::warn!(version = number, "unloaded, but some of its rows are not answered yet");
        }
        self.conditions().remove(&number);
        tracing::info!(model = A::NAME, version = number, "version unloaded");
        true
    }

    /// Removes a version from the snapshot, unless it has traffic or is a shadow. The future
    /// completes when the last handle of the version is dropped.
    fn take_out(&self, number: u32) -> Option<impl Future<Output = ()> + Send + use<A>> {
        let _plan = self.plan();
        let snapshot = self.snapshot();
        let ended = snapshot.loaded().get(&number)?.runner.model().ended();
        let without = snapshot.without(number)?;
        self.conditions().insert(number, Condition::Unloading);
        self.put(without);
        Some(ended)
    }

    /// Sets the traffic that a request describes.
    ///
    /// # Errors
    /// `InvalidArgument` for wrong fields, `FailedPrecondition` when a version is not loaded or no
    /// version has a label.
    pub(crate) fn set_traffic(&self, request: &pb::SetTrafficRequest) -> Result<(), Fault> {
        let mut plan = self.plan();
        let traffic = Traffic::read(request, self.snapshot().traffic())?;
        self.share(&mut plan, traffic)
    }

    /// Changes the traffic and remembers the previous traffic for a rollback.
    pub(super) fn share(&self, plan: &mut Plan, traffic: Traffic) -> Result<(), Fault> {
        let snapshot = self.snapshot();
        let before = snapshot.traffic().clone();
        if before == traffic {
            return Ok(());
        }
        let changed = snapshot.sharing(traffic.clone()).map_err(|missing| {
            let message = format!("version {missing} is not loaded; load it first");
            Fault::new(FaultKind::FailedPrecondition, message)
        })?;
        drop(snapshot);
        self.put(changed);
        tracing::info!(model = A::NAME, ?traffic, ?before, "traffic changed");
        plan.previous = Some(before);
        Ok(())
    }

    /// Restores the traffic before the last change.
    ///
    /// # Errors
    /// `FailedPrecondition` when there was no change; the faults of [`Catalog::load`] when a
    /// version of that traffic was unloaded and cannot be loaded again.
    pub(crate) async fn rollback(self: &Arc<Self>) -> Result<(), Fault> {
        // Needs neither a permit nor the change lock if all versions of that traffic are loaded.
        if let Ok(done) = self.take_back() {
            return done;
        }
        let _permit = self.permit()?;
        let _lock = self.change_lock.lock().await;
        loop {
            match self.take_back() {
                Ok(done) => return done,
                Err(missing) => self.bring(missing).await?,
            }
        }
    }

    /// Restores the traffic before the last change; the outer error is a version that must be
    /// loaded first.
    fn take_back(&self) -> Result<Result<(), Fault>, u32> {
        let mut plan = self.plan();
        let Some(previous) = plan.previous.clone() else {
            let message = "the traffic has not been changed since the layer started";
            return Ok(Err(Fault::new(FaultKind::FailedPrecondition, message)));
        };
        let snapshot = self.snapshot();
        let missing = previous.needed().find(|number| !snapshot.loaded().contains_key(number));
        missing.map_or_else(|| Ok(self.share(&mut plan, previous)), Err)
    }

    /// Runs work that blocks on files, on threads that serve no requests.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let this = Arc::clone(self);
        self.files.run(move || work(&this)).await.ok_or_else(interrupted)
    }

    /// The figures of every loaded version.
    pub(crate) fn figures(&self) -> Vec<VersionFigures> {
        let snapshot = self.snapshot();
        let figures = snapshot.loaded().values().map(|version| VersionFigures {
            version: version.number,
            queued: version.runner.model().queued_rows(),
            rows: version.rows(),
            percent: snapshot.traffic().percent(version.number),
            shadow: version.shadow.read(),
        });
        figures.collect()
    }

    /// Waits until every version has run the rows it accepted, at the end of the process.
    pub(crate) async fn drain(&self) {
        for version in self.snapshot().loaded().values() {
            version.runner.model().drain().await;
        }
    }
}

fn interrupted() -> Fault {
    Fault::new(FaultKind::Internal, "reading the models was interrupted")
}

/// The fault when no more versions can be loaded. It names the versions that may be unloaded; a
/// layer does not know which of them belong to a release.
fn full<A>(snapshot: &Snapshot<A>) -> Fault {
    let idle = snapshot.loaded().keys().filter(|number| !snapshot.traffic().needs(**number));
    let idle: Vec<_> = idle.map(u32::to_string).collect();
    let advice = match idle.as_slice() {
        [] => {
            "all of them with traffic or as shadows: give the traffic of one to others".to_owned()
        }
        idle => format!(
            "of which {} have no traffic and are no shadows: unload one that no release needs",
            idle.join(", ")
        ),
    };
    let message = format!("{MAX_LOADED} versions are loaded, {advice}, with `strata models`");
    Fault::new(FaultKind::ResourceExhausted, message)
}

/// The newest version in the repository that the policy selects.
fn newest_wanted<A: Adapter>(loader: &Loader, policy: &Policy) -> Result<u32, BoxError> {
    let wanted = policy.select(&loader.repository.versions(A::NAME)?);
    wanted.last().copied().ok_or_else(|| {
        format!("the repository has none of the versions in models.versions ({policy})").into()
    })
}

impl<A: Adapter> Runners for Catalog<A> {
    fn stable(&self) -> Runner {
        self.snapshot().stable().runner.clone()
    }

    fn version(&self, number: u32) -> Option<Runner> {
        self.snapshot().loaded().get(&number).map(|version| version.runner.clone())
    }

    fn loaded(&self) -> Vec<Runner> {
        self.snapshot().loaded().values().map(|version| version.runner.clone()).collect()
    }
}

/// The fault when the repository cannot be read.
pub(super) fn unreadable(error: &RepositoryError) -> Fault {
    let reason = report(error).to_string();
    tracing::error!(reason, "the repository cannot be read");
    Fault::new(FaultKind::Internal, "the repository cannot be read; the log says why")
}
