use std::io;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::context::TokioContext;

/// The async runtime of the layers, separate from the coordinator's and with as many threads.
///
/// In a shared runtime, the threads steal each other's unfinished decisions and wake each other to
/// do so; and while a thread runs a batch, the rows for its next batch wait ungathered. A row
/// without others in progress still runs on the coordinator's thread that asks.
pub(crate) struct LayersRuntime {
    handle: Handle,
    /// `Some` until it is dropped.
    threads: Option<Runtime>,
}

impl LayersRuntime {
    /// Starts the threads. Call this on the coordinator's runtime.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let workers = Handle::current().metrics().num_workers();
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(workers).enable_all().thread_name("layers");
        let runtime = runtime.build()?;
        Ok(Self { handle: runtime.handle().clone(), threads: Some(runtime) })
    }

    /// Runs a future in this runtime's context, so that the tasks it spawns run on these threads.
    pub(crate) async fn has_tasks_of<F: Future>(&self, future: F) -> F::Output {
        TokioContext::new(future, self.handle.clone()).await
    }
}

impl Drop for LayersRuntime {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which async code must not do.
        if let Some(runtime) = self.threads.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_spawned_runs_on_threads_of_its_own_and_async_code_may_end_them() {
        let runtime = LayersRuntime::start().expect("threads can be started");
        let name = async {
            let name = || std::thread::current().name().map(str::to_owned);
            tokio::spawn(async move { name() }).await.ok().flatten()
        };
        assert_eq!(runtime.has_tasks_of(name).await.as_deref(), Some("layers"));
        drop(runtime);
    }
}
