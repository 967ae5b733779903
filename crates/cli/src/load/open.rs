//! Requests sent by the clock, whether answers came or not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::{Caller, Measured};

/// Requests without an answer; one more waits, and its time with it.
const MAX_IN_FLIGHT: usize = 4096;

/// So many requests a second for so long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenLoad {
    pub(crate) per_second: f64,
    pub(crate) duration: Duration,
}

/// Sends requests at even distances, each from the next of the callers. A latency counts from the moment at which the request should have been
/// sent, so that a server that stalls cannot hide it by delaying the client (coordinated omission).
///
/// # Errors
/// A caller that panicked.
pub(crate) async fn run_open<C: Caller + Clone + Sync>(
    callers: Vec<C>,
    load: OpenLoad,
) -> anyhow::Result<Measured> {
    let measured = Arc::new(Mutex::new(Measured::new()?));
    let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let runtime = tokio::runtime::Handle::current();
    let started = Instant::now();
    let (taken, free) = (measured.clone(), places.clone());
    // A thread of its own: the timers of the async runtime are good to a millisecond only.
    let sending = tokio::task::spawn_blocking(move || {
        let requests = (load.per_second * load.duration.as_secs_f64()).round() as usize;
        for number in 0..requests {
            let due = started + Duration::from_secs_f64(number as f64 / load.per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let Ok(place) = runtime.block_on(free.clone().acquire_owned()) else { return };
            let mut caller = callers[number % callers.len()].clone();
            let taken = taken.clone();
            runtime.spawn(async move {
                let answer = caller.call(number).await;
                let mut measured = taken.lock().unwrap_or_else(PoisonError::into_inner);
                measured.count(due.elapsed(), answer);
                drop(place);
            });
        }
    });
    sending.await?;
    // Once all places are free, everything is answered.
    drop(places.acquire_many(MAX_IN_FLIGHT as u32).await?);
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
