//! Latencies as a histogram with three significant digits.

use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

/// The histogram counts longer latencies as this one.
const LONGEST_US: u64 = 60_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of latencies in microseconds.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// An empty histogram.
    ///
    /// # Errors
    /// None: the bounds are valid.
    pub fn new() -> anyhow::Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, SIGNIFICANT_DIGITS);
        Ok(Self(histogram.context("the bounds of a histogram")?))
    }

    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        self.record_us(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds one latency in microseconds.
    pub fn record_us(&mut self, microseconds: u64) {
        self.0.saturating_record(microseconds);
    }

    /// Adds all latencies of another histogram.
    ///
    /// # Errors
    /// None: all histograms have the same bounds.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.0.add(&other.0).context("histograms of different bounds")
    }

    /// How many latencies were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile in milliseconds, `quantile` from 0 to 1; 0 when the histogram is empty.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let (mut low, mut high) = (Latencies::new().unwrap(), Latencies::new().unwrap());
        (1..=500).for_each(|us| low.record_us(us));
        (501..=1000).for_each(|us| high.record(Duration::from_micros(us)));
        low.add(&high).unwrap();
        assert_eq!(low.count(), 1000);
        assert!((low.quantile_ms(0.5) - 0.5).abs() < 0.001);
        assert!((low.quantile_ms(0.99) - 0.99).abs() < 0.001);
        low.record(Duration::MAX);
        assert!((low.quantile_ms(1.0) - 60_000.0).abs() < 60.0);
    }
}
