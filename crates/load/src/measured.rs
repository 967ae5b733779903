//! What a load measured.

use std::{collections::BTreeMap, time::Duration};

use crate::latencies::Latencies;

/// How often each error was the answer, by its code.
pub type Errors = BTreeMap<&'static str, u64>;

/// Latencies, answers and errors of a load.
#[derive(Debug)]
pub struct Measured {
    /// One latency for each answered request, refused ones included.
    pub latencies: Latencies,
    /// How often each error was the answer, by its code.
    pub errors: Errors,
    /// Answers without an error; rows, if the load sends frames of rows.
    pub good: u64,
    /// Time from the first request to the last answer.
    pub elapsed: Duration,
}

impl Measured {
    /// A measurement without any answer.
    ///
    /// # Errors
    /// None: the bounds of the histogram are valid.
    pub fn new() -> anyhow::Result<Self> {
        let latencies = Latencies::new()?;
        Ok(Self { latencies, errors: Errors::new(), good: 0, elapsed: Duration::ZERO })
    }

    /// Counts one answer, or the code of the error in its place.
    pub fn count(&mut self, latency: Duration, answer: Result<(), &'static str>) {
        self.latencies.record(latency);
        match answer {
            Ok(()) => self.good += 1,
            Err(code) => *self.errors.entry(code).or_default() += 1,
        }
    }

    /// Adds a measurement of the same time. `elapsed` stays.
    ///
    /// # Errors
    /// None: all histograms have the same bounds.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        self.good += other.good;
        for (code, count) in &other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        Ok(())
    }

    /// Good answers per second.
    pub fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
