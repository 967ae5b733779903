//! Closed loop: each caller waits for the answer before it sends the next request.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::measured::Measured;

/// Callers that share one connection. Client libraries do so too: they open neither one
/// connection for all callers nor one for each.
pub const CALLERS_PER_CONNECTION: usize = 16;

/// Distance between the first request numbers of two callers, so that they do not send the same
/// request at the same time.
const STRIDE: usize = 509;

/// One caller of a server.
pub trait Caller: Send + 'static {
    /// Sends the request with this number and waits for the answer, or for the code of an error.
    fn call(&mut self, number: usize) -> impl Future<Output = Result<(), &'static str>> + Send;
}

/// Lets all callers send requests for `duration`. A refusal and a lost server are counted as
/// errors.
///
/// # Errors
/// When a caller panicked.
pub async fn run_closed<C: Caller>(
    callers: Vec<C>,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let started = Instant::now();
    let until = started + duration;
    let mut running = JoinSet::new();
    for (index, caller) in callers.into_iter().enumerate() {
        running.spawn(send_until(caller, index * STRIDE, until));
    }
    let mut total = Measured::new()?;
    while let Some(caller) = running.join_next().await {
        total.add(&caller??)?;
    }
    total.elapsed = started.elapsed();
    Ok(total)
}

async fn send_until(
    mut caller: impl Caller,
    first: usize,
    until: Instant,
) -> anyhow::Result<Measured> {
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
