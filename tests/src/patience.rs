//! Waiting for what must come, without guessing how long it takes.

use std::time::{Duration, Instant};

/// A test waits at most this long for anything: it is for a hang, not for a slow machine.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// The first value that `probe` gives.
///
/// # Panics
/// When there is none after a minute.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "still waiting for {what} after {LIMIT:?}");
        std::thread::sleep(POLL);
    }
}

/// The same for a probe that is asynchronous.
///
/// # Panics
/// When there is none after a minute.
pub async fn eventually_async<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "still waiting for {what} after {LIMIT:?}");
        tokio::time::sleep(POLL).await;
    }
}
