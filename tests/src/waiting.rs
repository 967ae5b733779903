//! Waiting for a condition without guessing how long it takes.

use std::time::{Duration, Instant};

/// The longest wait for any condition. It detects a hang; no test needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Calls `probe` until it returns a value, and returns that value.
///
/// # Panics
/// When there is no value after a minute; the message says that it waited for `what`.
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
/// When there is no value after a minute.
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
