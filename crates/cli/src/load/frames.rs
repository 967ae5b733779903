//! A layer's own stream: frames of rows, several of them on their way.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_wire::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::Measured;
use crate::connection;

/// How a layer's stream is loaded.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    pub(crate) endpoint: String,
    /// Rows of each frame.
    pub(crate) rows: usize,
    /// Frames without an answer.
    pub(crate) in_flight: usize,
    pub(crate) duration: Duration,
}

/// The stream of one of the layers.
pub(crate) trait Framed {
    /// A row without its budget and trace.
    type Request: Clone;
    /// Rows that travel together.
    type Frame: Send + 'static;
    /// Their answers.
    type Answer;

    /// Opens the stream.
    fn open(
        channel: Channel,
        frames: ReceiverStream<Self::Frame>,
    ) -> impl Future<Output = Result<Streaming<Self::Answer>, Status>> + Send;

    /// A frame of these rows.
    fn frame(frame_id: u64, requests: impl Iterator<Item = Self::Request>) -> Self::Frame;

    /// Which frame was answered, and how often each fault was an answer in it.
    fn faults(answer: Self::Answer) -> (u64, Vec<&'static str>);
}

/// Sends frames until the time is over. The latencies are those of frames; the rate is that of rows.
///
/// # Errors
/// A layer that cannot be reached, ends the stream, or answers a frame that was not sent.
pub(crate) async fn run_frames<L: Framed>(
    load: &Frames,
    requests: &Arc<Vec<L::Request>>,
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
        sender.try_send(frame(slot)).ok().context("a frame too many")?;
    }
    let mut sender = Some(sender);
    let channel = connection::channel(&load.endpoint)?;
    let mut answers = L::open(channel, ReceiverStream::new(receiver)).await?;
    let mut waiting = sent.len();
    let mut lost = 0;
    while let Some(answer) = answers.message().await? {
        let (slot, faults) = L::faults(answer);
        let now = Instant::now();
        let Some(since) = usize::try_from(slot).ok().and_then(|slot| sent.get_mut(slot)) else {
            bail!("an answer to no frame: {slot}");
        };
        measured.latencies.record(now - *since);
        lost += faults.len() as u64;
        for fault in faults {
            *measured.errors.entry(fault).or_default() += 1;
        }
        *since = now;
        match &sender {
            Some(open) if now < until => {
                open.try_send(frame(slot as usize)).ok().context("a frame too many")?;
            }
            _ => {
                sender = None;
                waiting -= 1;
            }
        }
        measured.elapsed = now - started;
    }
    if waiting > 0 {
        bail!("the stream to {} ended with {waiting} frames unanswered", load.endpoint);
    }
    let rows = measured.latencies.count() * load.rows as u64;
    measured.good = rows.saturating_sub(lost);
    Ok(measured)
}

/// The three layers differ in the names of their messages only.
macro_rules! framed {
    ($name:ident, $client:path, $open:ident, [$request:ident, $row:ident, $frame:ident, $answer:ident], $result:path) => {
        /// The stream of this layer.
        pub(crate) struct $name;

        impl Framed for $name {
            type Request = pb::$request;
            type Frame = pb::$frame;
            type Answer = pb::$answer;

            async fn open(
                channel: Channel,
                frames: ReceiverStream<Self::Frame>,
            ) -> Result<Streaming<Self::Answer>, Status> {
                use $client as Client;
                Ok(Client::new(channel).$open(frames).await?.into_inner())
            }

            fn frame(frame_id: u64, requests: impl Iterator<Item = Self::Request>) -> Self::Frame {
                let row = |request| pb::$row { request: Some(request), ..Default::default() };
                pb::$frame { frame_id, rows: requests.map(row).collect() }
            }

            fn faults(answer: Self::Answer) -> (u64, Vec<&'static str>) {
                use $result as Outcome;
                let rows = answer.rows.into_iter();
                let faults = rows.filter_map(|row| match row.result {
                    Some(Outcome::Response(_)) => None,
                    Some(Outcome::Fault(fault)) => Some(fault.kind().as_str_name()),
                    None => Some("EMPTY"),
                });
                (answer.frame_id, faults.collect())
            }
        }
    };
}

framed!(
    Selections,
    pb::strategic_client::StrategicClient,
    select_stream,
    [SelectRequest, SelectRow, SelectFrame, SelectFrameResult],
    pb::select_row_result::Result
);
framed!(
    Placements,
    pb::tactical_client::TacticalClient,
    place_stream,
    [PlaceRequest, PlaceRow, PlaceFrame, PlaceFrameResult],
    pb::place_row_result::Result
);
framed!(
    Forecasts,
    pb::operational_client::OperationalClient,
    forecast_stream,
    [ForecastRequest, ForecastRow, ForecastFrame, ForecastFrameResult],
    pb::forecast_row_result::Result
);
