//! Loads: closed loops of so many callers or so many in flight, in which the next request is sent when an answer came; and an open loop, in
//! which requests are sent by the clock.

mod callers;
mod closed;
mod frames;
mod http;
mod open;
mod stream;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::histogram::Latencies;

pub(crate) use callers::{Decide, Layer, PeerGrpc, PeerRow, Tensors};
pub(crate) use closed::{CALLERS_PER_CONNECTION, Caller, run_closed};
pub(crate) use frames::{Forecasts, Frames, Placements, Selections, run_frames};
pub(crate) use http::HttpCaller;
pub(crate) use open::{OpenLoad, run_open};
pub(crate) use stream::{Stream, run_stream};

/// Errors by their code.
pub(crate) type Errors = BTreeMap<&'static str, u64>;

/// What a load measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Time of each answered request, refused ones as well.
    pub(crate) latencies: Latencies,
    /// How often each error was the answer, by its name.
    pub(crate) errors: Errors,
    /// Good answers; of a stream of frames, rows.
    pub(crate) good: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Measured {
    /// Nothing yet.
    ///
    /// # Errors
    /// None: the bounds of the histogram are right.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let latencies = Latencies::new()?;
        Ok(Self { latencies, errors: Errors::new(), good: 0, elapsed: Duration::ZERO })
    }

    /// Counts an answer.
    pub(crate) fn count(&mut self, took: Duration, answer: Result<(), &'static str>) {
        self.latencies.record(took);
        match answer {
            Ok(()) => self.good += 1,
            Err(code) => *self.errors.entry(code).or_default() += 1,
        }
    }

    /// Adds what was measured at the same time.
    ///
    /// # Errors
    /// None: all histograms have the same bounds.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        self.good += other.good;
        for (code, count) in &other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        Ok(())
    }

    /// Good answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
