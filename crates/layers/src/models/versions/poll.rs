use std::{collections::BTreeSet, sync::Arc, time::Duration};

use strata_chassis::{Drain, report};
use strata_domain::FaultKind;

use super::{
    catalog::{Catalog, Condition},
    policy::Policy,
    traffic::Traffic,
};
use crate::adapter::Adapter;

/// Loads what the policy wants at once, beside the version that answers; then follows it every
/// `interval` until the drain, or never if that is zero.
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
    /// Loads what the policy wants; nothing is taken over or unloaded.
    pub(crate) async fn fill(self: &Arc<Self>, policy: &Policy) {
        let _turn = self.turn.lock().await;
        if let Some(wanted) = self.wanted(policy).await {
            self.bring_all(&wanted).await;
        }
    }

    /// One look at the repository.
    pub(crate) async fn follow(self: &Arc<Self>, policy: &Policy) {
        let _turn = self.turn.lock().await;
        let Some(wanted) = self.wanted(policy).await else { return };
        let newest_before = self.newest_loaded();
        // Twice: for the room, and because what answered before the version that answered until now
        // is of no use for a rollback any more.
        self.drop_unwanted(&wanted).await;
        self.bring_all(&wanted).await;
        self.promote(newest_before, &wanted);
        self.drop_unwanted(&wanted).await;
    }

    /// What the policy wants of what there is; nothing when that cannot be read.
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
            // A failure is in the list, the log and the metrics; the others are loaded all the
            // same.
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

    /// Whether a version failed to load and none of its files was written since.
    async fn failed_as_it_is(self: &Arc<Self>, number: u32) -> bool {
        let failed = match self.conditions().get(&number) {
            Some(Condition::Failed { stamp: Some(stamp), .. }) => stamp.clone(),
            _ => return false,
        };
        let now = self.blocking(move |this| this.loader.stamp::<A>(number)).await;
        now.ok().flatten() == Some(failed)
    }

    /// Gives the traffic to a version that is newer than any before, if it was all with the newest
    /// until now: whoever went back to an older one, or shares the traffic, decides for themselves.
    fn promote(&self, before: Option<u32>, wanted: &BTreeSet<u32>) {
        let Some(newest) = self.newest_loaded() else { return };
        let mut plan = self.plan();
        let follows = self.snapshot().traffic().sole() == before && Some(newest) > before;
        // Not found loaded would mean that it was unloaded since, which only the holder of the turn
        // does.
        if follows && wanted.contains(&newest) {
            let _ = self.share(&mut plan, Traffic::all_to(newest));
        }
    }

    async fn drop_unwanted(&self, wanted: &BTreeSet<u32>) {
        for number in self.unwanted(wanted) {
            // What got traffic in this moment stays.
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
