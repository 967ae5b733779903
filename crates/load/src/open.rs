//! Open loop: requests are sent by the clock, whether answers have come or not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::{closed::Caller, measured::Measured};

/// The most requests without an answer. The next request waits, and its latency includes the wait.
const MAX_IN_FLIGHT: usize = 4096;

/// How often, and for how long, an open loop sends.
#[derive(Debug, Clone, Copy)]
pub struct OpenLoad {
    /// Requests per second.
    pub per_second: f64,
    /// How long requests are sent.
    pub duration: Duration,
}

/// Sends requests at even distances, from one caller after the other. A latency starts when the
/// request was due, so that a server that stalls cannot hide it by delaying the client
/// (coordinated omission).
///
/// # Errors
/// When a caller panicked.
pub async fn run_open<C: Caller + Clone + Sync>(
    callers: Vec<C>,
    load: OpenLoad,
) -> anyhow::Result<Measured> {
    let measured = Arc::new(Mutex::new(Measured::new()?));
    let slots = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let runtime = tokio::runtime::Handle::current();
    let started = Instant::now();
    let (taken, free) = (measured.clone(), slots.clone());
    // A thread of its own: the timers of the async runtime have a resolution of one millisecond.
    let sending = tokio::task::spawn_blocking(move || {
        let requests = (load.per_second * load.duration.as_secs_f64()).round() as usize;
        for number in 0..requests {
            let due = started + Duration::from_secs_f64(number as f64 / load.per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let Ok(slot) = runtime.block_on(free.clone().acquire_owned()) else { return };
            let mut caller = callers[number % callers.len()].clone();
            let taken = taken.clone();
            runtime.spawn(async move {
                let answer = caller.call(number).await;
                let mut measured = taken.lock().unwrap_or_else(PoisonError::into_inner);
                measured.count(due.elapsed(), answer);
                drop(slot);
            });
        }
    });
    sending.await?;
    // All slots are free once every request is answered.
    drop(slots.acquire_many(MAX_IN_FLIGHT as u32).await?);
    let mut total = Measured::new()?;
    total.add(&measured.lock().unwrap_or_else(PoisonError::into_inner))?;
    total.elapsed = started.elapsed();
    Ok(total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// Answers one at a time, each after 20 ms.
    #[derive(Clone)]
    struct Slow(Arc<tokio::sync::Mutex<()>>);

    impl Caller for Slow {
        async fn call(&mut self, _: usize) -> Result<(), &'static str> {
            let _turn = self.0.lock().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn latency_counts_from_when_a_request_was_due() {
        let load = OpenLoad { per_second: 1000.0, duration: Duration::from_millis(10) };
        let measured = run_open(vec![Slow(Arc::default())], load).await.unwrap();
        assert_eq!(measured.latencies.count(), 10);
        // The last waits for nine others, however its sender is delayed.
        assert!(measured.latencies.quantile_ms(1.0) >= 190.0, "{measured:?}");
    }
}
