use std::io;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::context::TokioContext;

/// The async runtime of the layers: one beside that of the coordinator, with as many threads.
///
/// With one for both, its threads take each other's half-done decisions and wake each other to do
/// so, and while one runs a batch, what it could gather for the next waits. A lone row still runs
/// on the coordinator's thread that asks.
pub(crate) struct LayersRuntime {
    handle: Handle,
    /// There until it is dropped.
    threads: Option<Runtime>,
}

impl LayersRuntime {
    /// Starts its threads. To be called on the coordinator's runtime.
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

    /// Runs a future here, so that the tasks it spawns run there.
    pub(crate) async fn has_tasks_of<F: Future>(&self, future: F) -> F::Output {
        TokioContext::new(future, self.handle.clone()).await
    }
}

impl Drop for LayersRuntime {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which async code may not.
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
