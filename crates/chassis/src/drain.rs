//! The end of a process: one grace budget, everything accepted is answered.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::activity::Activity;

/// How long a drain waits for a caller that takes no answers, or does not end its request.
const PATIENCE: Duration = Duration::from_secs(2);

/// A handle on the drain of a process, cheap to clone.
///
/// A drain starts once, by a signal or by [`start`](Self::start), and spends one grace budget: work
/// already accepted is answered, streams end, connections are cut when the budget is over.
#[derive(Debug, Clone)]
pub struct Drain {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    grace: Duration,
    settle: Duration,
    started: CancellationToken,
    started_at: Arc<OnceLock<Instant>>,
    work: TaskTracker,
    activity: Activity,
}

/// A piece of accepted work: as long as one is alive the drain is not over.
#[derive(Debug)]
pub struct DrainGuard {
    _token: TaskTrackerToken,
    activity: Activity,
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        self.activity.end();
    }
}

impl Drain {
    /// A drain with a budget of `grace`; for the first `settle` of it the server still accepts, so
    /// that load balancers can see that it is not ready before connections are refused.
    #[must_use]
    pub fn new(grace: Duration, settle: Duration) -> Self {
        let work = TaskTracker::new();
        // A closed tracker still hands out tokens; closing only lets `wait` return at zero.
        work.close();
        let inner = Inner {
            grace,
            settle: settle.min(grace),
            started: CancellationToken::new(),
            started_at: Arc::default(),
            work,
            activity: Activity::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A drain for another server of the same process: it starts with this one and spends the same
    /// budget, and counts its own work. The activity is that of the process.
    #[must_use]
    pub fn beside(&self) -> Self {
        let Inner { grace, settle, started, started_at, activity, .. } = &*self.inner;
        let work = TaskTracker::new();
        work.close();
        let inner = Inner {
            grace: *grace,
            settle: *settle,
            started: started.clone(),
            started_at: Arc::clone(started_at),
            work,
            activity: activity.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the drain. Later calls change nothing: the budget is spent once.
    pub fn start(&self) {
        self.inner.started_at.get_or_init(Instant::now);
        self.inner.started.cancel();
    }

    /// Whether the drain has started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.inner.started.is_cancelled()
    }

    /// Completes when the drain starts; at once if it has. Long-lived streams select on this: they
    /// stop taking requests, answer what they took, and end.
    pub async fn started(&self) {
        self.inner.started.cancelled().await;
    }

    /// A token that is cancelled when the drain starts, for code that wants to own its wait.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.inner.started.clone()
    }

    /// Counts one piece of accepted work. Unary calls are counted by the server itself; services
    /// take a guard for each request read from a stream and drop it when the answer is sent.
    #[must_use]
    pub fn guard(&self) -> DrainGuard {
        let Inner { work, activity, .. } = &*self.inner;
        activity.begin();
        DrainGuard { _token: work.token(), activity: activity.clone() }
    }

    /// The activity of the process: a guard is a piece of its work.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.inner.activity
    }

    /// The pieces of accepted work that are not answered yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.work.len()
    }

    /// Completes when no accepted work is left.
    pub async fn idle(&self) {
        self.inner.work.wait().await;
    }

    /// Hands an answer to the caller's side of a stream. `false` when the caller is gone, or takes
    /// nothing for two seconds of the drain: an idle caller must not hold it up.
    pub async fn deliver<T>(&self, answers: &mpsc::Sender<T>, answer: T) -> bool {
        tokio::select! {
            biased;
            sent = answers.send(answer) => sent.is_ok(),
            () = self.patience() => false,
        }
    }

    /// Completes two seconds after the drain has started. The drain does not wait longer than this
    /// for an idle caller.
    pub(crate) async fn patience(&self) {
        self.started().await;
        tokio::time::sleep(PATIENCE).await;
    }

    /// What is left of the grace budget; all of it before the drain has started.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.inner.grace.saturating_sub(self.elapsed())
    }

    /// The time until the server stops accepting.
    pub(crate) fn settle_remaining(&self) -> Duration {
        self.inner.settle.saturating_sub(self.elapsed())
    }

    /// The time until open connections are cut. It is a little less than the budget: the last
    /// tenth, at most two seconds, belongs to the flush of telemetry.
    pub(crate) fn cut_remaining(&self) -> Duration {
        let reserve = (self.inner.grace / 10).min(Duration::from_secs(2));
        self.remaining().saturating_sub(reserve)
    }

    fn elapsed(&self) -> Duration {
        self.inner.started_at.get().map_or(Duration::ZERO, Instant::elapsed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn drain() -> Drain {
        Drain::new(Duration::from_secs(20), Duration::from_secs(1))
    }

    #[tokio::test]
    async fn a_drain_starts_once_and_spends_one_budget() {
        let drain = drain();
        assert!(!drain.is_started());
        assert_eq!(drain.remaining(), Duration::from_secs(20));
        drain.start();
        drain.started().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drain.start();
        assert!(drain.remaining() <= Duration::from_millis(19_980));
        assert!(drain.cut_remaining() <= drain.remaining() - Duration::from_millis(1_900));
    }

    #[tokio::test]
    async fn drains_beside_each_other_share_the_start_and_not_the_work() {
        let drain = drain();
        let other = drain.beside();
        let _held = other.guard();
        assert_eq!((drain.in_flight(), other.in_flight()), (0, 1));
        drain.idle().await;
        other.start();
        drain.started().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(drain.remaining() <= Duration::from_millis(19_980));
    }

    #[tokio::test]
    async fn it_is_idle_when_the_last_guard_is_dropped() {
        let drain = drain();
        drain.idle().await;
        let (first, second) = (drain.guard(), drain.guard());
        assert_eq!(drain.in_flight(), 2);
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.idle().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_nothing_is_waited_for_only_until_the_drain() {
        let drain = drain();
        let (answers, mut caller) = mpsc::channel(1);
        assert!(drain.deliver(&answers, 1).await);
        // The channel is full: without a drain it waits, however long.
        let waiting = drain.deliver(&answers, 2);
        assert!(tokio::time::timeout(Duration::from_secs(60), waiting).await.is_err());
        drain.start();
        assert!(!drain.deliver(&answers, 3).await);
        assert_eq!(caller.recv().await, Some(1));
        assert!(drain.deliver(&answers, 4).await);
        drop(caller);
        assert!(!drain.deliver(&answers, 5).await);
    }
}
