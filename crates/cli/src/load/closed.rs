//! Callers that wait for each answer before they ask again.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Measured;

/// Callers that share a connection: as a client library would, neither one for all nor one for
/// each.
pub(crate) const CALLERS_PER_CONNECTION: usize = 16;

/// Between the first requests of two callers, so that they do not ask the same at the same time.
const STRIDE: usize = 509;

/// Somebody who calls.
pub(crate) trait Caller: Send + 'static {
    /// Sends the request of this number, and waits for the answer; an error by its code.
    fn call(&mut self, number: usize) -> impl Future<Output = Result<(), &'static str>> + Send;
}

/// Lets all of them call until the time is over. The latencies are those of calls.
///
/// # Errors
/// A caller that panicked. A server that refuses or is gone shows in the errors that are counted.
pub(crate) async fn run_closed<C: Caller>(
    callers: Vec<C>,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let started = Instant::now();
    let until = started + duration;
    let mut running = JoinSet::new();
    for (index, caller) in callers.into_iter().enumerate() {
        running.spawn(call(caller, index * STRIDE, until));
    }
    let mut total = Measured::new()?;
    while let Some(caller) = running.join_next().await {
        total.add(&caller??)?;
    }
    total.elapsed = started.elapsed();
    Ok(total)
}

async fn call(mut caller: impl Caller, first: usize, until: Instant) -> anyhow::Result<Measured> {
    let mut measured = Measured::new()?;
    let mut number = first;
    loop {
        let sent = Instant::now();
        if sent >= until {
            return Ok(measured);
        }
        let answer = caller.call(number).await;
        measured.count(sent.elapsed(), answer);
        number += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// Refuses every second request.
    struct Half;

    impl Caller for Half {
        async fn call(&mut self, number: usize) -> Result<(), &'static str> {
            tokio::task::yield_now().await;
            if number.is_multiple_of(2) { Ok(()) } else { Err("UNAVAILABLE") }
        }
    }

    #[tokio::test]
    async fn every_caller_asks_in_turn_and_errors_are_no_answers() {
        let measured = run_closed(vec![Half, Half], Duration::from_millis(5)).await.unwrap();
        let refused = measured.errors["UNAVAILABLE"];
        let all = measured.latencies.count();
        assert!(all > 2 && refused.abs_diff(all - refused) <= 2, "{refused} of {all}");
        assert_eq!(measured.good, all - refused);
        assert!(measured.elapsed >= Duration::from_millis(5));
    }
}
