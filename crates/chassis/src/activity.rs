//! What the process does at the moment, and looking for more work before a worker sleeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The activity of a process: how much work is in it, and when that last made progress. Clones are
/// the same activity.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Events so far: work came, made progress, or is done.
    events: AtomicU64,
    in_work: AtomicUsize,
    /// A task waits for the next event.
    awaited: AtomicBool,
    came: Notify,
}

impl Activity {
    /// Records that work made progress. It costs next to nothing.
    pub fn progress(&self) {
        let Inner { events, awaited, came, .. } = &*self.0;
        events.fetch_add(1, Ordering::SeqCst);
        if awaited.load(Ordering::SeqCst) && awaited.swap(false, Ordering::AcqRel) {
            came.notify_one();
        }
    }

    /// Records that a piece of work came.
    pub(crate) fn begin(&self) {
        self.0.in_work.fetch_add(1, Ordering::Relaxed);
        self.progress();
    }

    /// Records that a piece of work is done.
    pub(crate) fn end(&self) {
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
        self.progress();
    }

    fn events(&self) -> u64 {
        self.0.events.load(Ordering::SeqCst)
    }

    fn is_working(&self) -> bool {
        self.0.in_work.load(Ordering::Relaxed) > 0
    }

    /// Completes when there were more events than those that were `seen`. Only one task may wait.
    async fn after(&self, seen: u64) {
        // Sequentially consistent, like `progress`: either this sees the event, or the event sees
        // that it is awaited.
        self.0.awaited.store(true, Ordering::SeqCst);
        if self.events() == seen {
            self.0.came.notified().await;
        }
    }
}

/// Waits without work, in a row, that must have been short before the next is expected to be.
const IN_A_ROW: u32 = 2;

/// Keeps a worker of the runtime from sleeping while work is about to come; never completes.
///
/// It polls while work that waits for others is in the process, and afterwards if the last waits
/// for more were shorter than `time`; in both cases for at most `time` without an event.
///
/// A thread that sleeps has to be woken from another core. A core whose threads all sleep halts,
/// comes back after tens of microseconds, and finds little of its data in its caches. A lone
/// decision is a chain of such sleeps: awake, four processes on two cores need half the time. KVM
/// (`halt_poll_ns`) and Seastar (`--idle-poll-time-us`) spend processor time for the same reason,
/// and like KVM's this adapts. Other threads get the core: each poll ends by yielding.
pub(crate) async fn idle_poll(activity: Activity, time: Duration) {
    let mut waits = Waits { last: Instant::now(), working: false, short: 0 };
    let mut seen = activity.events();
    loop {
        if waits.may_end(time) {
            // Tasks that are ready run first, and then the runtime polls for I/O without waiting.
            tokio::task::yield_now().await;
            std::thread::yield_now();
        } else {
            activity.after(seen).await;
        }
        let events = activity.events();
        if events != seen {
            seen = events;
            waits.event(Instant::now(), activity.is_working(), time);
        }
    }
}

/// What the last waits were like.
struct Waits {
    /// The last event.
    last: Instant,
    /// Whether there was work then.
    working: bool,
    /// Waits without work that were short, in a row.
    short: u32,
}

impl Waits {
    /// Whether the present wait may end soon.
    fn may_end(&self, time: Duration) -> bool {
        (self.working || self.short >= IN_A_ROW) && self.last.elapsed() < time
    }

    fn event(&mut self, now: Instant, working: bool, time: Duration) {
        if !self.working {
            let short = now.saturating_duration_since(self.last) < time;
            self.short = if short { self.short.saturating_add(1) } else { 0 };
        }
        (self.last, self.working) = (now, working);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Lets other tasks run for some turns.
    async fn turns() {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    /// Whether `idle_poll` waits for an event, that is, does not poll.
    fn sleeps(activity: &Activity) -> bool {
        activity.0.awaited.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn it_looks_while_there_is_work_and_sleeps_when_it_is_done() {
        let activity = Activity::default();
        let looking = tokio::spawn(idle_poll(activity.clone(), LONG));
        turns().await;
        assert!(sleeps(&activity));
        activity.begin();
        turns().await;
        assert!(!sleeps(&activity));
        activity.progress();
        turns().await;
        assert!(!sleeps(&activity));
        activity.end();
        turns().await;
        assert!(sleeps(&activity));
        looking.abort();
    }

    #[tokio::test]
    async fn it_looks_on_when_work_came_soon_two_times_in_a_row() {
        let activity = Activity::default();
        let looking = tokio::spawn(idle_poll(activity.clone(), LONG));
        turns().await;
        let mut slept = Vec::new();
        for _ in 0..3 {
            activity.begin();
            turns().await;
            activity.end();
            turns().await;
            slept.push(sleeps(&activity));
        }
        assert_eq!(slept, [true, false, false]);
        looking.abort();
    }

    #[tokio::test]
    async fn it_looks_no_longer_than_it_should_for_work_that_does_not_get_on() {
        let activity = Activity::default();
        let looking = tokio::spawn(idle_poll(activity.clone(), Duration::from_millis(1)));
        turns().await;
        activity.begin();
        let begun = Instant::now();
        turns().await;
        while !sleeps(&activity) {
            tokio::task::yield_now().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(1));
        looking.abort();
    }

    #[test]
    fn a_long_wait_ends_the_row() {
        let (start, time) = (Instant::now(), Duration::from_millis(1));
        let mut waits = Waits { last: start, working: false, short: 0 };
        let mut short_after = |millis, working| {
            waits.event(start + Duration::from_millis(millis), working, time);
            waits.short
        };
        assert_eq!(short_after(0, false), 1);
        assert_eq!(short_after(0, true), 2);
        // A wait with work says nothing about those without, however long it was.
        assert_eq!(short_after(50, false), 2);
        assert_eq!(short_after(51, false), 0);
    }
}
