use std::{collections::BTreeSet, sync::Arc, time::Duration};

use strata_chassis::{Drain, report};

use super::{
    Catalog, Policy, Traffic,
    catalog::{Condition, Plan},
};
use crate::adapter::Adapter;

/// Loads what the policy wants and unloads what it does not want any more: at once, and then every `interval` until the drain; a zero
/// interval means once.
pub(crate) async fn watch<A: Adapter>(
    catalog: Arc<Catalog<A>>,
    policy: Policy,
    interval: Duration,
    drain: Drain,
) {
    catalog.follow(&policy).await;
    while !interval.is_zero() {
        tokio::select! {
            () = drain.started() => return,
            () = tokio::time::sleep(interval) => catalog.follow(&policy).await,
        }
    }
}

impl<A: Adapter> Catalog<A> {
    /// One look at the repository.
    pub(crate) async fn follow(self: &Arc<Self>, policy: &Policy) {
        let mut plan = self.plan.lock().await;
        let available = match self.blocking(|this| this.loader.available::<A>()).await {
            Ok(Ok(available)) => available,
            Ok(Err(error)) => {
                let reason = report(&error).to_string();
                tracing::warn!(reason, "the repository cannot be read, models stay as they are");
                return;
            }
            Err(_) => return,
        };
        let wanted = policy.select(&available);
        let newest_before = self.newest_loaded();
        self.drop_unwanted(&mut plan, &wanted).await;
        for number in &wanted {
            if plan.by_hand.get(number) != Some(&false) && !self.failed_as_it_is(*number).await {
                // A failure is in the list, the log and the metrics; the others are loaded all the same.
                let _ = self.bring(*number).await;
            }
        }
        self.promote(&mut plan, newest_before, &wanted);
        // What answered until now is kept for a rollback; what did before that goes.
        self.drop_unwanted(&mut plan, &wanted).await;
    }

    fn newest_loaded(&self) -> Option<u32> {
        self.table().loaded().keys().next_back().copied()
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

    /// Gives the traffic to a version that is newer than any before, if it was all with the newest until now: whoever went back to an older
    /// one, or shares the traffic, decides for themselves.
    fn promote(&self, plan: &mut Plan, before: Option<u32>, wanted: &BTreeSet<u32>) {
        let Some(newest) = self.newest_loaded() else { return };
        let follows = self.table().traffic().sole() == before && Some(newest) > before;
        // Not found loaded would mean that it was unloaded since, which only the holder of the plan does.
        if follows && wanted.contains(&newest) {
            let _ = self.share(plan, Traffic::all_to(newest));
        }
    }

    async fn drop_unwanted(&self, plan: &mut Plan, wanted: &BTreeSet<u32>) {
        let table = self.table();
        let kept = |number: u32| {
            let for_rollback = plan.previous.as_ref().is_some_and(|past| past.needs(number));
            let by_hand = plan.by_hand.get(&number) == Some(&true);
            wanted.contains(&number) || by_hand || for_rollback || table.traffic().needs(number)
        };
        let numbers: Vec<u32> =
            table.loaded().keys().copied().filter(|number| !kept(*number)).collect();
        drop(table);
        for number in numbers {
            self.retire(number).await;
        }
    }
}
