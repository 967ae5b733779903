//! One stream with many requests in flight.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_wire::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::connection;
use crate::failure::Refusal;

/// How a stream of requests is run.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) endpoint: String,
    /// Most requests without an answer.
    pub(crate) in_flight: usize,
}

/// Sends what `requests` gives over `DecideStream` and hands every answer, with the number of its
/// request and the time it took, to `answered`. Returns the time from the first request to the last
/// answer.
///
/// # Errors
/// A server that cannot be reached or ends the stream, and an answer that belongs to no request.
pub(crate) async fn run_stream(
    stream: &Stream,
    requests: impl Iterator<Item = pb::DecideRequest>,
    mut answered: impl FnMut(usize, Duration, pb::decide_stream_response::Result),
) -> anyhow::Result<Duration> {
    // A slot for each request in flight; the correlation id is its number. The channel never fills:
    // it has as many places.
    let mut slots: Vec<Option<(usize, Instant)>> = vec![None; stream.in_flight.max(1)];
    let (sender, receiver) = mpsc::channel(slots.len());
    let mut source = Source { requests: requests.enumerate(), sender: Some(sender) };
    let mut client = connection::coordinator(&stream.endpoint)?;
    let started = Instant::now();
    for (slot, place) in slots.iter_mut().enumerate() {
        *place = source.send(slot)?;
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

/// Where requests come from and go to.
struct Source<I> {
    requests: std::iter::Enumerate<I>,
    /// Dropped with the last request: the server then ends the stream when it has answered
    /// everything.
    sender: Option<mpsc::Sender<pb::DecideRequest>>,
}

impl<I: Iterator<Item = pb::DecideRequest>> Source<I> {
    /// Sends the next request, if there is one, from a free slot: its number, and when it was sent.
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
