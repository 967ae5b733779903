use std::{collections::BTreeSet, sync::Arc, time::Duration};

use strata_chassis::{Drain, report};
use strata_domain::FaultKind;

use super::{
    catalog::{Catalog, Condition},
    policy::Policy,
    traffic::Traffic,
};
use crate::adapter::Adapter;

/// Loads the versions that the policy selects, then follows the repository every `interval` until
/// the drain. If `interval` is zero, it does not follow.
pub(crate) async fn watch<A: Adapter>(
    catalog: Arc<Catalog<A>>,
    policy: Policy,
    interval: Duration,
    drain: Drain,
) {
    catalog.fill(&policy).await;
    while !interval.is_zero() {
        tokio::select! {
            () = drain.started() => return,
            () = tokio::time::sleep(interval) => catalog.follow(&policy).await,
        }
    }
}

impl<A: Adapter> Catalog<A> {
    /// Loads the versions that the policy selects; does not change the traffic and unloads nothing.
    pub(crate) async fn fill(self: &Arc<Self>, policy: &Policy) {
        let _lock = self.change_lock.lock().await;
        if let Some(wanted) = self.wanted(policy).await {
            self.bring_all(&wanted).await;
        }
    }

    /// Looks at the repository once: loads new versions, moves the traffic and unloads old
    /// versions.
    pub(crate) async fn follow(self: &Arc<Self>, policy: &Policy) {
        let _lock = self.change_lock.lock().await;
        let Some(wanted) = self.wanted(policy).await else { return };
        let newest_before = self.newest_loaded();
        // Drops unwanted versions twice: first to make room, then because after the promotion a
        // rollback no longer needs the version before the previous one.
        self.drop_unwanted(&wanted).await;
        self.bring_all(&wanted).await;
        self.promote(newest_before, &wanted);
        self.drop_unwanted(&wanted).await;
    }

    /// The versions in the repository that the policy selects; `None` when it cannot be read.
    async fn wanted(self: &Arc<Self>, policy: &Policy) -> Option<BTreeSet<u32>> {
        match self.blocking(|this| this.loader.available::<A>()).await {
            Ok(Ok(available)) => Some(policy.select(&available)),
            Ok(Err(error)) => {
                let reason = report(&error).to_string();
                tracing::warn!(reason, "the repository cannot be read, models stay as they are");
                None
            }
            Err(_) => None,
        }
    }

    async fn bring_all(self: &Arc<Self>, wanted: &BTreeSet<u32>) {
        for number in wanted {
            let unloaded_by_hand = self.plan().by_hand.get(number) == Some(&false);
            if unloaded_by_hand || self.failed_as_it_is(*number).await {
                continue;
            }
            // The listing, the log and the metrics show a failure; the other versions are loaded
            // anyway.
            if let Err(fault) = self.bring(*number).await
                && fault.kind == FaultKind::ResourceExhausted
            {
                tracing::warn!(version = number, reason = fault.message, "version not loaded");
            }
        }
    }

    fn newest_loaded(&self) -> Option<u32> {
        self.snapshot().loaded().keys().next_back().copied()
    }

    /// Whether a version failed to load and its files have not changed since.
    async fn failed_as_it_is(self: &Arc<Self>, number: u32) -> bool {
        let failed = match self.conditions().get(&number) {
            Some(Condition::Failed { stamp: Some(stamp), .. }) => stamp.clone(),
            _ => return false,
        };
        let now = self.blocking(move |this| this.loader.stamp::<A>(number)).await;
        now.ok().flatten() == Some(failed)
    }

    /// Gives all traffic to a version that is newer than all before, if the newest had all traffic
    /// until now. If an operator chose an older version or split the traffic, it stays as it is.
    fn promote(&self, before: Option<u32>, wanted: &BTreeSet<u32>) {
        let Some(newest) = self.newest_loaded() else { return };
        let mut plan = self.plan();
        let follows = self.snapshot().traffic().sole() == before && Some(newest) > before;
        // Fails only if the version is not loaded. Only the holder of the change lock unloads
        // versions.
        if follows && wanted.contains(&newest) {
            let _ = self.share(&mut plan, Traffic::all_to(newest));
        }
    }

    async fn drop_unwanted(&self, wanted: &BTreeSet<u32>) {
        for number in self.unwanted(wanted) {
            // `retire` keeps a version that got traffic in the meantime.
            self.retire(number).await;
        }
    }

    fn unwanted(&self, wanted: &BTreeSet<u32>) -> Vec<u32> {
        let (plan, snapshot) = (self.plan(), self.snapshot());
        let kept = |number: u32| {
            let for_rollback = plan.previous.as_ref().is_some_and(|past| past.needs(number));
            let by_hand = plan.by_hand.get(&number) == Some(&true);
            wanted.contains(&number) || by_hand || for_rollback || snapshot.traffic().needs(number)
        };
        snapshot.loaded().keys().copied().filter(|number| !kept(*number)).collect()
    }
}
