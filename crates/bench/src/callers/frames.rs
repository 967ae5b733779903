//! A load of frames on the stream of a layer, with several frames in flight.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_load::{Measured, channel};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::layer::LayerMethods;

/// How the stream of a layer is loaded.
#[derive(Debug, Clone)]
pub(crate) struct FramesLoad {
    /// The address of the layer.
    pub(crate) endpoint: String,
    /// Rows in each frame.
    pub(crate) rows: usize,
    /// Frames without an answer.
    pub(crate) in_flight: usize,
    /// How long frames are sent.
    pub(crate) duration: Duration,
}

/// Sends frames for the duration of the load. The latencies are those of frames; the rate counts
/// rows.
///
/// # Errors
/// When the layer cannot be reached, ends the stream early, or answers a frame that was not sent.
pub(crate) async fn run_frames<L: LayerMethods>(
    load: &FramesLoad,
    requests: &[L::Request],
) -> anyhow::Result<Measured> {
    let mut measured = Measured::new()?;
    let (sender, receiver) = mpsc::channel(load.in_flight.max(1));
    let mut next = 0;
    let mut frame = |slot: usize| {
        let first = next;
        next += load.rows;
        let rows = (first..next).map(|number| requests[number % requests.len()].clone());
        L::frame(slot as u64, rows)
    };
    let started = Instant::now();
    let until = started + load.duration;
    let mut sent = vec![started; load.in_flight];
    for slot in 0..sent.len() {
        sender.try_send(frame(slot)).ok().context("a frame in flight too many")?;
    }
    let mut sender = Some(sender);
    let client = L::client(channel(&load.endpoint)?);
    let mut results = L::open(client, ReceiverStream::new(receiver)).await?;
    let mut unanswered = sent.len();
    let mut lost = 0;
    while let Some(result) = results.message().await? {
        let (slot, faults) = L::faults(result);
        let now = Instant::now();
        let Some(since) = usize::try_from(slot).ok().and_then(|slot| sent.get_mut(slot)) else {
            bail!("an answer to frame {slot}, which was not sent");
        };
        measured.latencies.record(now - *since);
        lost += faults.len() as u64;
        for fault in faults {
            *measured.errors.entry(fault).or_default() += 1;
        }
        *since = now;
        match &sender {
            Some(open) if now < until => {
                let frame = frame(slot as usize);
                open.try_send(frame).ok().context("a frame in flight too many")?;
            }
            _ => {
                sender = None;
                unanswered -= 1;
            }
        }
        measured.elapsed = now - started;
    }
    if unanswered > 0 {
        bail!("the stream to {} ended with {unanswered} frames unanswered", load.endpoint);
    }
    let rows = measured.latencies.count() * load.rows as u64;
    measured.good = rows.saturating_sub(lost);
    Ok(measured)
}
