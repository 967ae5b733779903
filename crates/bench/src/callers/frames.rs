//! A load of frames on the stream of a layer, with several frames in flight.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_load::{Measured, channel};
use strata_wire::{Hop, Row, TracePlace, pb};
use tokio::sync::mpsc;

/// The largest message on the stream.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

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
pub(crate) async fn run_frames<H: Hop>(
    load: &FramesLoad,
    requests: &[H::Request],
) -> anyhow::Result<Measured> {
    let mut measured = Measured::new()?;
    let (sender, receiver) = mpsc::channel(load.in_flight.max(1));
    let mut next = 0;
    let mut frame = |slot: usize| {
        let first = next;
        next += load.rows;
        let rows = (first..next).map(|number| Row {
            request: requests[number % requests.len()].clone(),
            trace: TracePlace::default(),
            budget_us: 0,
        });
        H::frame(slot as u64, rows.collect())
    };
    let started = Instant::now();
    let until = started + load.duration;
    let mut sent = vec![started; load.in_flight];
    for slot in 0..sent.len() {
        sender.try_send(frame(slot)).ok().context("a frame in flight too many")?;
    }
    let mut sender = Some(sender);
    let channel = channel(&load.endpoint)?;
    let mut frames = H::open(channel, receiver, MAX_MESSAGE_BYTES).await?;
    let mut unanswered = sent.len();
    let mut lost = 0;
    while let Some(frame_result) = frames.message().await? {
        let results = H::results(frame_result);
        let now = Instant::now();
        let slot = usize::try_from(results.frame_id).unwrap_or(usize::MAX);
        let Some(since) = sent.get_mut(slot) else {
            bail!("an answer to frame {slot}, which was not sent");
        };
        measured.latencies.record(now - *since);
        for fault in results.rows.into_iter().filter_map(Result::err) {
            let kind = pb::Fault::from(fault).kind().as_str_name();
            *measured.errors.entry(kind).or_default() += 1;
            lost += 1;
        }
        *since = now;
        match &sender {
            Some(open) if now < until => {
                let frame = frame(slot);
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
