//! The thread on which versions are loaded.

use std::sync::mpsc::{SyncSender, sync_channel};

use strata_runtime::stand_aside;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that loads versions, separate from those that serve. All loads use the same thread,
/// because memory allocators keep freed memory for the thread that allocated it: if each load used
/// another thread, each would leave some memory behind. The thread has idle priority: under full
/// load a load takes longer, and requests wait less.
pub(super) struct LoaderThread(SyncSender<Job>);

impl LoaderThread {
    /// Starts the thread, which ends when the handle is dropped.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start() -> std::io::Result<Self> {
        // One job runs at a time: its caller holds the change lock.
        let (jobs, queue) = sync_channel::<Job>(1);
        let work = move || {
            stand_aside();
            queue.into_iter().for_each(|job| job());
        };
        std::thread::Builder::new().name("model-loader".to_owned()).spawn(work)?;
        Ok(Self(jobs))
    }

    /// Returns the result of `work`; `None` if it panicked or another job is still queued.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job = move || {
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // The send fails if the caller has left.
            let _ = worked.map(|worked| done.send(worked));
        };
        self.0.try_send(Box::new(job)).ok()?;
        result.await.ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_share_a_thread_that_survives_a_panic() {
        let loader = LoaderThread::start().unwrap();
        let thread = || std::thread::current().id();
        let first = loader.run(thread).await.unwrap();
        assert_eq!(loader.run(|| panic!("told to")).await, None::<()>);
        assert_eq!(loader.run(thread).await, Some(first));
        assert_ne!(first, thread());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn it_stands_aside_for_others() {
        /// `SCHED_IDLE` of sched(7).
        const IDLE: &str = "5";
        // Field 41 of proc(5)'s stat is the policy; the third is the first after the name in
        // parentheses.
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, values) = stat.rsplit_once(')').unwrap();
            values.split_whitespace().nth(38).unwrap().to_owned()
        };
        let loader = LoaderThread::start().unwrap();
        assert_eq!(loader.run(policy).await.as_deref(), Some(IDLE));
        assert_ne!(policy(), IDLE);
    }
}
