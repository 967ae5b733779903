//! The replicas of one layer: resolves their names and sends each row to the least busy one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures_util::future::join_all;
use strata_chassis::{ClientError, Refused};
use strata_wire::{Ask, Fault, Hop};
use tokio::sync::oneshot;

use super::{
    faults::{queue_full, spent, unreachable},
    job::{Job, Reply},
    needs::Reload,
    replica::{Endpoint, HandOn, Replica},
    settings::LinkSettings,
};

/// The replicas of one layer. Clones share them.
pub(crate) struct Replicas<H: Hop>(Arc<Found<H>>);

// A derived implementation would require `H: Clone`.
impl<H: Hop> Clone for Replicas<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The replicas that name resolution found.
struct Found<H: Hop> {
    by_address: RwLock<BTreeMap<String, Replica<H>>>,
    settings: LinkSettings,
    /// The position at which the search for the least busy replica starts: it rotates, so that
    /// equally busy replicas take turns.
    next: AtomicUsize,
    reload: Reload,
}

impl<H: Hop> Replicas<H> {
    /// Finds the replicas behind `endpoints` (`http://host:port` or `unix:/path`) and resolves
    /// their names again at an interval.
    ///
    /// # Errors
    /// The first endpoint that is not a valid address.
    pub(crate) fn find(endpoints: &[String], settings: LinkSettings) -> Result<Self, ClientError> {
        for endpoint in endpoints {
            strata_chassis::channel(endpoint, &settings.client)?;
        }
        let found = Found {
            by_address: RwLock::default(),
            settings,
            next: AtomicUsize::new(0),
            reload: Reload::default(),
        };
        let this = Self(Arc::new(found));
        tokio::spawn(this.clone().keep_looking(endpoints.to_vec()));
        Ok(this)
    }

    /// Whether a replica can be asked.
    pub(crate) fn is_up(&self) -> bool {
        self.0.read().values().any(Replica::is_up)
    }

    /// Rows waiting to be sent, over all replicas.
    pub(crate) fn waiting(&self) -> usize {
        self.0.read().values().map(Replica::waiting).sum()
    }

    /// Loads a version on every replica that is connected, and on every other that can be reached.
    /// A replica that connects later loads the versions it needs before it is asked.
    ///
    /// # Errors
    /// The fault of a connected replica; `Unavailable` when no replica can be reached.
    pub(crate) async fn load(&self, version: u32) -> Result<(), Fault> {
        let endpoints: Vec<_> = self.0.read().values().map(Replica::endpoint).collect();
        let loading = endpoints.iter().map(|at| async move { (at, at.load(version).await) });
        let mut loaded = 0;
        for (endpoint, outcome) in join_all(loading).await {
            match outcome {
                Ok(()) => loaded += 1,
                Err(fault) if endpoint.is_up() => {
                    let (address, reason) = (&endpoint.address, &fault.message);
                    let message = format!("the {} layer at {address}: {reason}", H::LAYER);
                    return Err(Fault { message, ..fault });
                }
                Err(fault) => tracing::warn!(
                    layer = H::LAYER,
                    address = endpoint.address,
                    version,
                    reason = fault.message,
                    "a replica that is not connected did not load a version"
                ),
            }
        }
        if loaded == 0 { Err(unreachable(H::LAYER)) } else { Ok(()) }
    }

    /// Reloads a version on the connected replicas. A replica that fails to load a version it must
    /// have is recalled: it is not asked until it has loaded it.
    pub(super) async fn reload_version(&self, version: u32) {
        let endpoints: Vec<Endpoint> = self.0.read().values().map(Replica::endpoint).collect();
        let up = endpoints.iter().filter(|endpoint| endpoint.is_up());
        let loading = up.map(|endpoint| async move { (endpoint, endpoint.load(version).await) });
        for (endpoint, outcome) in join_all(loading).await {
            let Err(fault) = outcome else { continue };
            let (address, reason) = (&endpoint.address, fault.message);
            tracing::error!(
                layer = H::LAYER,
                address,
                version,
                reason,
                "the layer did not load a version"
            );
            if self.0.settings.needs.borrow().must.contains(&version) {
                endpoint.recall(&self.0.settings);
            }
        }
    }

    pub(super) fn reload(&self) -> &Reload {
        &self.0.reload
    }

    /// Queues a row for the least busy replica; the future waits for the answer until the deadline.
    pub(crate) fn ask(
        &self,
        ask: Ask<H::Request>,
    ) -> impl Future<Output = Reply<H>> + Send + use<H> {
        let (reply, replied) = oneshot::channel();
        let deadline = ask.deadline;
        self.0.offer_or_refuse(Job { ask, reply, pending: None });
        async move {
            match tokio::time::timeout_at(deadline.into(), replied).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(_)) => (Err(unreachable(H::LAYER)), Instant::now()),
                Err(_) => (Err(spent(H::LAYER)), Instant::now()),
            }
        }
    }

    async fn keep_looking(self, endpoints: Vec<String>) {
        let mut was_complete = true;
        loop {
            let mut addresses = Vec::new();
            let mut complete = true;
            for endpoint in &endpoints {
                match resolve(endpoint).await {
                    Ok(found) => addresses.extend(found),
                    Err(error) => {
                        complete = false;
                        if was_complete {
                            tracing::warn!(layer = H::LAYER, endpoint, %error, "name not resolved");
                        }
                    }
                }
            }
            was_complete = complete;
            self.follow(&addresses, complete);
            tokio::time::sleep(self.0.settings.resolve_interval).await;
        }
    }

    /// Starts links to new addresses and, if every name was resolved, drops the links to addresses
    /// that are gone.
    pub(super) fn follow(&self, addresses: &[String], complete: bool) {
        let mut replicas = self.0.by_address.write().unwrap_or_else(PoisonError::into_inner);
        if complete {
            replicas.retain(|address, _| addresses.contains(address));
        }
        for address in addresses {
            if replicas.contains_key(address) {
                continue;
            }
            match strata_chassis::channel(address, &self.0.settings.client) {
                Ok(channel) => {
                    let settings = self.0.settings.clone();
                    let hand_on = self.0.hand_on();
                    let replica = Replica::start(address.clone(), channel, settings, hand_on);
                    replicas.insert(address.clone(), replica);
                }
                Err(error) => {
                    tracing::warn!(layer = H::LAYER, address, %error, "the endpoint is invalid")
                }
            }
        }
    }
}

impl<H: Hop> Found<H> {
    /// Queues a job for the least busy replica that is up. Refuses the job when no replica is up or
    /// the queue is full.
    fn offer_or_refuse(&self, job: Job<H>) {
        let replicas = self.read();
        let start = self.next.fetch_add(1, Ordering::Relaxed) % replicas.len().max(1);
        let rotated = replicas.values().cycle().skip(start).take(replicas.len());
        let Some(replica) = rotated.filter(|r| r.is_up()).min_by_key(|r| r.pending()) else {
            return job.refuse(unreachable(H::LAYER));
        };
        match replica.offer(job) {
            Ok(()) => {}
            Err(Refused::Full(job)) => {
                job.refuse(queue_full(H::LAYER, replica.waiting()));
            }
            Err(Refused::Closed(job)) => job.refuse(unreachable(H::LAYER)),
        }
    }

    /// Returns a function that queues the unsent jobs of one replica for another.
    fn hand_on(self: &Arc<Self>) -> HandOn<H> {
        let found = Arc::downgrade(self);
        Box::new(move |job| match found.upgrade() {
            Some(found) => found.offer_or_refuse(job),
            None => job.refuse(unreachable(H::LAYER)),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Replica<H>>> {
        // No code panics while it holds the lock; even if it did, the map would be whole.
        self.by_address.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves an endpoint to every `http://address:port` behind it. A headless Kubernetes service has
/// one address for each pod; a unix socket is not resolved.
async fn resolve(endpoint: &str) -> std::io::Result<Vec<String>> {
    let endpoint = endpoint.trim();
    if endpoint.starts_with("unix:") {
        return Ok(vec![endpoint.to_owned()]);
    }
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, authority)| authority);
    let authority = authority.trim_end_matches('/');
    let addresses = tokio::net::lookup_host(authority).await?;
    Ok(addresses.map(|address| format!("http://{address}")).collect())
}
