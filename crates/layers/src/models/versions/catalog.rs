use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use strata_chassis::{BoxError, report};
use strata_domain::FaultKind;
use strata_runtime::{RepositoryError, Stamp};
use strata_wire::{Fault, pb};
use tokio::sync::{Mutex as Turn, Semaphore, SemaphorePermit};

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

/// How long an unloading is waited for. Rows in flight have deadlines of at most as long.
const UNLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Loads and unloads in work and waiting for their turn: they go on when their callers leave, and
/// must not add up meanwhile.
const CHANGES: usize = 16;
/// In about this time a small model is loaded.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Every version of a layer's model.
pub(crate) struct Catalog<A> {
    pub(super) loader: Loader,
    snapshot: RwLock<Arc<Snapshot<A>>>,
    conditions: Mutex<BTreeMap<u32, Condition>>,
    thread: LoaderThread,
    /// Whoever holds it may load and unload, which takes time.
    pub(super) turn: Turn<()>,
    /// Those who have or await the turn because they were asked to.
    places: Semaphore,
    files: FileAccess,
    /// Whoever holds it may put another snapshot, which takes none: a rollback never waits for a
    /// load. Readers wait for neither.
    plan: Mutex<Plan>,
}

/// What is to be said of a version that is not loaded, other than that it is available.
#[derive(Clone)]
pub(super) enum Condition {
    Loading,
    Unloading,
    Failed {
        reason: String,
        /// Of the files that failed.
        stamp: Option<Stamp>,
    },
}

/// What was asked for, for the next change to obey.
#[derive(Default)]
pub(super) struct Plan {
    /// The traffic before the last change.
    pub(super) previous: Option<Traffic>,
    /// Versions that were loaded (true) or unloaded by hand: the policy has no say in them.
    pub(super) by_hand: BTreeMap<u32, bool>,
}

/// What is loaded when a layer starts.
pub(crate) struct Start<'a> {
    /// The version that gets the traffic; unset is the newest that the policy wants.
    pub(crate) version: Option<u32>,
    pub(crate) policy: &'a Policy,
}

impl<A: Adapter> Catalog<A> {
    /// Loads the first version, which answers everything. It blocks for some milliseconds, while
    /// nothing else is to be done.
    ///
    /// # Errors
    /// When it cannot be served: without any model there is no layer.
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
            turn: Turn::default(),
            places: Semaphore::new(CHANGES),
            files: FileAccess::default(),
            plan: Mutex::default(),
        })
    }

    /// What is loaded and who answers what, now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot<A>> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its caller holds the plan.
    fn put(&self, snapshot: Snapshot<A>) {
        let snapshot = Arc::new(snapshot);
        let old = {
            let mut place = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, snapshot)
        };
        // Outside of the lock: the last handle of a version may go with it.
        drop(old);
    }

    /// No code that can panic runs under this lock.
    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No code that can panic runs under this lock.
    pub(super) fn conditions(&self) -> MutexGuard<'_, BTreeMap<u32, Condition>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a version, or the newest, which gets no traffic.
    ///
    /// # Errors
    /// `NotFound`, `FailedPrecondition` when it cannot be served, `ResourceExhausted` when too many
    /// are loaded or too many changes wait.
    pub(crate) async fn load(self: &Arc<Self>, number: Option<u32>) -> Result<u32, Fault> {
        let _place = self.place()?;
        let _turn = self.turn.lock().await;
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

    /// A place among those who load and unload.
    fn place(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.places.try_acquire().map_err(|_| {
            let message = format!("{CHANGES} loads and unloads are in work or waiting");
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        })
    }

    /// Loads a version unless it is loaded. Its caller has the turn.
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

    /// Unloads a version; completes once its threads and sessions are gone.
    ///
    /// # Errors
    /// `NotFound` when it is not loaded, `FailedPrecondition` while it has traffic or is a shadow,
    /// `ResourceExhausted` when too many changes wait.
    pub(crate) async fn unload(&self, number: u32) -> Result<(), Fault> {
        let _place = self.place()?;
        let _turn = self.turn.lock().await;
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

    /// Unloads every version that has no traffic and is no shadow; tells how many it were.
    ///
    /// # Errors
    /// `ResourceExhausted` when too many changes wait.
    pub(crate) async fn unload_idle(&self) -> Result<usize, Fault> {
        let _place = self.place()?;
        let _turn = self.turn.lock().await;
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

    /// Unloads a version, unless it has traffic or is a shadow. Its caller has the turn.
    pub(super) async fn retire(&self, number: u32) -> bool {
        let Some(ended) = self.take_out(number) else { return false };
        // What is left are the rows that were given to it: the last of them lets go of it.
        if tokio::time::timeout(UNLOAD_PATIENCE, ended).await.is_err() {
            tracing::warn!(version = number, "unloaded, but some of its rows are not answered yet");
        }
        self.conditions().remove(&number);
        tracing::info!(model = A::NAME, version = number, "version unloaded");
        true
    }

    /// Takes a version out of the snapshot, unless it is needed there. Completes, then, when the
    /// last handle of it is gone.
    fn take_out(&self, number: u32) -> Option<impl Future<Output = ()> + Send + use<A>> {
        let _plan = self.plan();
        let snapshot = self.snapshot();
        let ended = snapshot.loaded().get(&number)?.runner.model().ended();
        let without = snapshot.without(number)?;
        self.conditions().insert(number, Condition::Unloading);
        self.put(without);
        Some(ended)
    }

    /// Shares the traffic as a request says.
    ///
    /// # Errors
    /// `InvalidArgument`, and `FailedPrecondition` when a version is not loaded or a label stands
    /// for none.
    pub(crate) fn set_traffic(&self, request: &pb::SetTrafficRequest) -> Result<(), Fault> {
        let mut plan = self.plan();
        let traffic = Traffic::read(request, self.snapshot().traffic())?;
        self.share(&mut plan, traffic)
    }

    /// Changes the traffic and remembers what it was.
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

    /// Returns to the traffic before the last change.
    ///
    /// # Errors
    /// `FailedPrecondition` when there was none; as [`Catalog::load`] when a version it needs was
    /// unloaded and cannot be loaded again.
    pub(crate) async fn rollback(self: &Arc<Self>) -> Result<(), Fault> {
        // At once, if nothing has to be loaded for it.
        if let Ok(done) = self.take_back() {
            return done;
        }
        let _place = self.place()?;
        let _turn = self.turn.lock().await;
        loop {
            match self.take_back() {
                Ok(done) => return done,
                Err(missing) => self.bring(missing).await?,
            }
        }
    }

    /// Returns to the traffic before the last change; the error is a version that has to be loaded
    /// for it.
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

    /// Works on files beside the threads that serve.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let this = Arc::clone(self);
        self.files.run(move || work(&this)).await.ok_or_else(interrupted)
    }

    /// What there is to count, by version.
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

    /// Works off what every version has accepted, at the end of the process.
    pub(crate) async fn drain(&self) {
        for version in self.snapshot().loaded().values() {
            version.runner.model().drain().await;
        }
    }
}

fn interrupted() -> Fault {
    Fault::new(FaultKind::Internal, "reading the models was interrupted")
}

/// What is told when no more can be loaded, with what may be unloaded. That a version belongs to a
/// release is not known here.
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

/// The newest version in the repository that the policy wants.
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

/// What a caller is told when the repository cannot be read.
pub(super) fn unreadable(error: &RepositoryError) -> Fault {
    let reason = report(error).to_string();
    tracing::error!(reason, "the repository cannot be read");
    Fault::new(FaultKind::Internal, "the repository cannot be read; the log says why")
}
