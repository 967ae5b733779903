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

/// Sends what `requests` gives over `DecideStream` and hands every answer, with the number of its request and the time it took, to
/// `answered`. Returns the time from the first request to the last answer.
///
/// # Errors
/// A server that cannot be reached or ends the stream, and an answer that belongs to no request.
pub(crate) async fn run_stream(
    stream: &Stream,
    requests: impl Iterator<Item = pb::DecideRequest>,
    mut answered: impl FnMut(usize, Duration, pb::decide_stream_response::Result),
) -> anyhow::Result<Duration> {
    // A slot for each request in flight; the correlation id is its number. The channel never fills: it has as many places.
    let mut slots: Vec<Option<(usize, Instant)>> = vec![None; stream.in_flight.max(1)];
    let (sender, receiver) = mpsc::channel(slots.len());
    let mut requests = requests.enumerate();
    let mut client = connection::coordinator(&stream.endpoint)?;
    let started = Instant::now();
    let mut waiting = 0;
    for slot in 0..slots.len() {
        waiting += usize::from(send(&mut requests, slot, &mut slots, &sender)?);
    }
    let lost = || format!("the stream to {} ended", stream.endpoint);
    let answers = client.decide_stream(ReceiverStream::new(receiver)).await;
    let mut answers = answers.map_err(Refusal::of).with_context(lost)?.into_inner();
    while waiting > 0 {
        let Some(answer) = answers.message().await.map_err(Refusal::of).with_context(lost)? else {
            bail!("{} with {waiting} requests unanswered", lost());
        };
        let slot: usize = answer.correlation_id.parse().unwrap_or(usize::MAX);
        let Some((number, sent)) = slots.get_mut(slot).and_then(Option::take) else {
            bail!("an answer to no request: correlation id {:?}", answer.correlation_id);
        };
        let result = answer.result.context("an answer without decision or fault")?;
        answered(number, sent.elapsed(), result);
        if !send(&mut requests, slot, &mut slots, &sender)? {
            waiting -= 1;
        }
    }
    Ok(started.elapsed())
}

/// Sends the next request, if there is one, from a free slot.
fn send(
    requests: &mut impl Iterator<Item = (usize, pb::DecideRequest)>,
    slot: usize,
    slots: &mut [Option<(usize, Instant)>],
    sender: &mpsc::Sender<pb::DecideRequest>,
) -> anyhow::Result<bool> {
    let Some((number, request)) = requests.next() else { return Ok(false) };
    slots[slot] = Some((number, Instant::now()));
    let request = pb::DecideRequest { correlation_id: slot.to_string(), ..request };
    sender.try_send(request).context("a request in flight too many")?;
    Ok(true)
}
