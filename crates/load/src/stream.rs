//! One `DecideStream` with many requests in flight.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_wire::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{connection, refusal::Refusal};

/// A stream of requests to a coordinator.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The address of the coordinator.
    pub endpoint: String,
    /// The most requests without an answer.
    pub in_flight: usize,
}

/// Sends `requests` over `DecideStream` and passes every answer to `answered`, with the number of
/// its request and its latency. Returns the time from the first request to the last answer.
///
/// # Errors
/// When the server cannot be reached, ends the stream early, or answers a request that was not
/// sent.
pub async fn run_stream(
    stream: &Stream,
    requests: impl Iterator<Item = pb::DecideRequest>,
    mut answered: impl FnMut(usize, Duration, pb::decide_stream_response::Result),
) -> anyhow::Result<Duration> {
    // A slot for each request in flight; the correlation id is the number of the slot. The channel
    // has as many places as there are slots, so that it is never full.
    let mut slots: Vec<Option<(usize, Instant)>> = vec![None; stream.in_flight.max(1)];
    let (sender, receiver) = mpsc::channel(slots.len());
    let mut source = Source { requests: requests.enumerate(), sender: Some(sender) };
    let mut client = connection::coordinator(&stream.endpoint)?;
    let started = Instant::now();
    for (slot, in_flight) in slots.iter_mut().enumerate() {
        *in_flight = source.send(slot)?;
    }
    let lost = || format!("the stream to {} ended", stream.endpoint);
    let answers = client.decide_stream(ReceiverStream::new(receiver)).await;
    let mut answers = answers.map_err(Refusal::of).with_context(lost)?.into_inner();
    let mut finished = started;
    while let Some(answer) = answers.message().await.map_err(Refusal::of).with_context(lost)? {
        let slot: usize = answer.correlation_id.parse().unwrap_or(usize::MAX);
        let Some((number, sent)) = slots.get_mut(slot).and_then(Option::take) else {
            bail!("an answer to no request: correlation id {:?}", answer.correlation_id);
        };
        let result = answer.result.context("an answer without decision or fault")?;
        finished = Instant::now();
        answered(number, finished - sent, result);
        slots[slot] = source.send(slot)?;
    }
    match slots.iter().flatten().count() {
        0 => Ok(finished - started),
        waiting => bail!("{} with {waiting} requests unanswered", lost()),
    }
}

/// Requests that are still to be sent, and the channel they are sent to.
struct Source<I> {
    requests: std::iter::Enumerate<I>,
    /// Dropped after the last request: the server then ends the stream once it has answered
    /// everything.
    sender: Option<mpsc::Sender<pb::DecideRequest>>,
}

impl<I: Iterator<Item = pb::DecideRequest>> Source<I> {
    /// Sends the next request, if there is one, from a free slot. Returns its number and the time
    /// at which it was sent.
    fn send(&mut self, slot: usize) -> anyhow::Result<Option<(usize, Instant)>> {
        let Some(sender) = &self.sender else { return Ok(None) };
        let Some((number, request)) = self.requests.next() else {
            self.sender = None;
            return Ok(None);
        };
        let sent = Instant::now();
        let request = pb::DecideRequest { correlation_id: slot.to_string(), ..request };
        sender.try_send(request).context("a request in flight too many")?;
        Ok(Some((number, sent)))
    }
}
