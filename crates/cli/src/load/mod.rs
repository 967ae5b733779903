//! Closed loops of decision requests: so many callers or so many in flight, each next one sent when
//! an answer came.

mod stream;
mod unary;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::histogram::Latencies;

pub(crate) use stream::{Stream, run_stream};
pub(crate) use unary::{UnaryLoad, run_unary};

/// What a loop measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Time of each answered request, refused ones as well.
    pub(crate) latencies: Latencies,
    /// How often each error was the answer, by its name.
    pub(crate) errors: BTreeMap<&'static str, u64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Measured {
    /// Answers per second, without errors.
    pub(crate) fn rate(&self) -> f64 {
        let good = self.latencies.count().saturating_sub(self.errors.values().sum());
        good as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
