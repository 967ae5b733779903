//! Runs file access on threads that serve no requests.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Concurrent accesses. More would take processor time from the threads that serve.
const AT_ONCE: usize = 2;

/// Runs work that blocks on files. Work waits for a permit only while its caller waits, so that no
/// work queues up for callers who have left.
#[derive(Debug, Clone)]
pub(crate) struct FileAccess(Arc<Semaphore>);

impl Default for FileAccess {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl FileAccess {
    /// Runs `work`; `None` if it panicked or the process is ending.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let permit = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let read = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(read).await.ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_run() {
        let files = FileAccess::default();
        let (go, gone): (Vec<_>, Vec<_>) =
            (0..AT_ONCE).map(|_| mpsc::sync_channel::<()>(1)).unzip();
        let slow = gone.into_iter().map(|gone| files.run(move || gone.recv().is_ok()));
        let mut slow = Box::pin(join_all(slow));
        let ran = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ran);
        let mut left = Box::pin(files.run(move || seen.store(true, Ordering::Relaxed)));
        tokio::select! {
            biased;
            _ = &mut slow => panic!("it was not told to go on"),
            _ = &mut left => panic!("there was no permit"),
            () = tokio::task::yield_now() => {}
        }
        drop(left);
        go.into_iter().for_each(|go| go.send(()).unwrap());
        assert_eq!(slow.await, [Some(true); AT_ONCE]);
        assert_eq!(files.run(|| 7).await, Some(7));
        assert!(!ran.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_panic_costs_no_place() {
        let files = FileAccess::default();
        for _ in 0..=AT_ONCE {
            assert_eq!(files.run(|| panic!("on purpose")).await, None::<()>);
        }
        assert_eq!(files.run(|| 7).await, Some(7));
    }
}
