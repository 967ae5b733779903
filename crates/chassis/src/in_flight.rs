//! Whether a piece of work is alone, which is the whole rule of the path for lone requests.
//!
//! A row that runs on the thread that asks saves two hand-overs between threads, but rows that run
//! one by one forgo batches. So work takes the short path only while nothing else is in flight:
//!
//! 1. whoever takes work in counts it with [`InFlight::begin`];
//! 2. where several pieces of work may be ready at the same moment, it calls [`settle`], so that
//!    all of them are counted before the first asks;
//! 3. it asks [`Flight::is_alone`], and hands the answer on with the work.
//!
//! The coordinator counts decisions, a layer counts frames, unary calls and rows of its own
//! process. What is alone is then run in place by `strata_runtime::Model::infer_in_place`, which
//! refuses where the run would hold the thread up for too long.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many pieces of work are in flight: taken in, and neither answered nor given up.
#[derive(Debug, Default)]
pub struct InFlight(AtomicUsize);

/// A piece of work in flight. It is counted until this is dropped, which is also when its caller
/// leaves.
#[derive(Debug)]
pub struct Flight<'a>(&'a AtomicUsize);

impl InFlight {
    /// Counts a piece of work in.
    #[must_use]
    pub fn begin(&self) -> Flight<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Flight(&self.0)
    }
}

impl Flight<'_> {
    /// How many pieces of work are in flight at this moment, this one included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether nothing else is in flight at this moment.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.count() == 1
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Yields, so that tasks that are ready count their work or enqueue it first.
pub async fn settle() {
    tokio::task::yield_now().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_alone_until_other_work_comes_and_again_when_that_is_gone() {
        let questions = InFlight::default();
        let first = questions.begin();
        assert!(first.is_alone());
        let second = questions.begin();
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(second.is_alone());
    }

    #[tokio::test]
    async fn work_whose_caller_leaves_is_counted_out() {
        let questions = InFlight::default();
        let asking = async {
            let _question = questions.begin();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = asking => {}
            () = std::future::ready(()) => {}
        }
        let next = questions.begin();
        assert!(next.is_alone());
    }

    #[tokio::test]
    async fn whoever_settles_sees_what_is_ready_at_the_same_moment() {
        let questions = InFlight::default();
        let settled = || async {
            let question = questions.begin();
            settle().await;
            (question.is_alone(), question)
        };
        let ((first, _), (second, _)) = tokio::join!(settled(), settled());
        assert_eq!((first, second), (false, false));
        assert!(settled().await.0);
    }
}
