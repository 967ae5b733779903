//! Looking for more work before going to sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Tells whoever may sleep of the process's work: when it comes, gets on and is done. Clones are the same pulse.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    beats: AtomicU64,
    in_work: AtomicUsize,
    /// Somebody waits for the next beat.
    awaited: AtomicBool,
    came: Notify,
}

impl Pulse {
    /// Tells that work got on. It costs next to nothing.
    pub fn beat(&self) {
        let Inner { beats, awaited, came, .. } = &*self.0;
        beats.fetch_add(1, Ordering::SeqCst);
        if awaited.load(Ordering::SeqCst) && awaited.swap(false, Ordering::AcqRel) {
            came.notify_one();
        }
    }

    /// Tells that a piece of work came.
    pub(crate) fn begin(&self) {
        self.0.in_work.fetch_add(1, Ordering::Relaxed);
        self.beat();
    }

    /// Tells that a piece of work is done.
    pub(crate) fn end(&self) {
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
        self.beat();
    }

    fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::SeqCst)
    }

    fn is_working(&self) -> bool {
        self.0.in_work.load(Ordering::Relaxed) > 0
    }

    /// Completes when there were more beats than those that were `seen`. Only one may wait.
    async fn after(&self, seen: u64) {
        // Sequentially consistent, like a beat: either this sees the beat, or the beat sees that it is awaited.
        self.0.awaited.store(true, Ordering::SeqCst);
        if self.beats() == seen {
            self.0.came.notified().await;
        }
    }
}

/// Waits without work, in a row, that must have been short before the next is expected to be.
const IN_A_ROW: u32 = 2;

/// Keeps a worker of the runtime from sleeping while something is about to happen, for ever: while work that waits for others is in the process,
/// and after it where the last waits for more were shorter than `time`; in both cases for no longer than that without a beat.
///
/// A thread that sleeps has to be woken from another core, and a core whose threads all sleep halts, comes back after tens of microseconds, and finds
/// little in its caches of what it had there. A lone decision is a chain of such sleeps: awake, four processes on two cores need half the time.
/// KVM (`halt_poll_ns`) and Seastar (`--idle-poll-time-us`) spend processor time for the same reason, and as KVM's this adapts. Whoever else
/// wants the core gets it: each look ends by yielding.
pub(crate) async fn idle_poll(pulse: Pulse, time: Duration) {
    let mut waits = Waits { last: Instant::now(), working: false, short: 0 };
    let mut seen = pulse.beats();
    loop {
        if waits.may_end(time) {
            // Tasks that are ready run first, and then the runtime looks for events without waiting for them.
            tokio::task::yield_now().await;
            std::thread::yield_now();
        } else {
            pulse.after(seen).await;
        }
        let beats = pulse.beats();
        if beats != seen {
            seen = beats;
            waits.beat(Instant::now(), pulse.is_working(), time);
        }
    }
}

/// What the last waits were like.
struct Waits {
    /// The last beat.
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

    fn beat(&mut self, now: Instant, working: bool, time: Duration) {
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

    /// Whether somebody waits for a beat, which is to say that nobody looks for work.
    fn sleeps(pulse: &Pulse) -> bool {
        pulse.0.awaited.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn it_looks_while_there_is_work_and_sleeps_when_it_is_done() {
        let pulse = Pulse::default();
        let looking = tokio::spawn(idle_poll(pulse.clone(), LONG));
        turns().await;
        assert!(sleeps(&pulse));
        pulse.begin();
        turns().await;
        assert!(!sleeps(&pulse));
        pulse.beat();
        turns().await;
        assert!(!sleeps(&pulse));
        pulse.end();
        turns().await;
        assert!(sleeps(&pulse));
        looking.abort();
    }

    #[tokio::test]
    async fn it_looks_on_when_work_came_soon_two_times_in_a_row() {
        let pulse = Pulse::default();
        let looking = tokio::spawn(idle_poll(pulse.clone(), LONG));
        turns().await;
        let mut slept = Vec::new();
        for _ in 0..3 {
            pulse.begin();
            turns().await;
            pulse.end();
            turns().await;
            slept.push(sleeps(&pulse));
        }
        assert_eq!(slept, [true, false, false]);
        looking.abort();
    }

    #[tokio::test]
    async fn it_looks_no_longer_than_it_should_for_work_that_does_not_get_on() {
        let pulse = Pulse::default();
        let looking = tokio::spawn(idle_poll(pulse.clone(), Duration::from_millis(1)));
        turns().await;
        pulse.begin();
        let begun = Instant::now();
        turns().await;
        while !sleeps(&pulse) {
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
            waits.beat(start + Duration::from_millis(millis), working, time);
            waits.short
        };
        assert_eq!(short_after(0, false), 1);
        assert_eq!(short_after(0, true), 2);
        // A wait with work says nothing of those without, however long it was.
        assert_eq!(short_after(50, false), 2);
        assert_eq!(short_after(51, false), 0);
    }
}
