//! The figures that were measured: by key, one sample for each round.

use std::{collections::BTreeMap, time::Duration};

use strata_load::{Errors, Measured};

/// The figures of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    samples: BTreeMap<String, Vec<f64>>,
    errors: BTreeMap<String, Errors>,
}

impl Figures {
    /// Adds the sample of a round.
    pub(crate) fn add(&mut self, key: impl Into<String>, value: f64) {
        self.samples.entry(key.into()).or_default().push(value);
    }

    /// Adds the figures of a load: `_rps`, `_p50_us`, `_p99_us` and `_p999_us`, and `_cpu_us` for
    /// one answer if the processor time of the servers is known.
    pub(crate) fn add_load(&mut self, name: &str, measured: &Measured, busy: Option<Duration>) {
        self.add(format!("{name}_rps"), measured.rate());
        for (suffix, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            let value = measured.latencies.quantile_ms(quantile) * 1000.0;
            self.add(format!("{name}_{suffix}_us"), value);
        }
        if let Some(busy) = busy {
            self.add(format!("{name}_cpu_us"), per_answer_us(busy, measured));
        }
        let errors = self.errors.entry(name.to_owned()).or_default();
        for (code, count) in &measured.errors {
            *errors.entry(code).or_default() += count;
        }
    }

    /// The samples of a key, one for each round.
    pub(crate) fn samples(&self, key: &str) -> &[f64] {
        self.samples.get(key).map_or(&[], Vec::as_slice)
    }

    /// The sample of the current round.
    pub(crate) fn latest(&self, key: &str) -> Option<f64> {
        self.samples(key).last().copied()
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, key: &str) -> Option<f64> {
        median(self.samples(key))
    }

    /// The spread of the rounds: see [`spread_percent`].
    pub(crate) fn spread_percent(&self, key: &str) -> Option<f64> {
        spread_percent(self.samples(key))
    }

    /// All keys, in alphabetical order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }

    /// The errors of a load over all rounds as text; empty if there were none.
    pub(crate) fn errors(&self, name: &str) -> String {
        let errors = self.errors.get(name).into_iter().flatten();
        let errors: Vec<_> = errors.map(|(code, count)| format!("{count} {code}")).collect();
        errors.join(", ")
    }

    /// The errors of each load that had any.
    pub(crate) fn all_errors(&self) -> BTreeMap<&str, &Errors> {
        let errors = self.errors.iter().filter(|(_, errors)| !errors.is_empty());
        errors.map(|(name, errors)| (name.as_str(), errors)).collect()
    }
}

/// Processor time per good answer in microseconds.
pub(crate) fn per_answer_us(busy: Duration, measured: &Measured) -> f64 {
    busy.as_secs_f64() * 1e6 / measured.good.max(1) as f64
}

/// The median; the mean of the two middle values if their number is even.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// The highest minus the lowest value, in percent of the median.
pub(crate) fn spread_percent(values: &[f64]) -> Option<f64> {
    let middle = median(values).filter(|middle| *middle != 0.0)?;
    let highest = values.iter().copied().fold(f64::MIN, f64::max);
    let lowest = values.iter().copied().fold(f64::MAX, f64::min);
    Some(100.0 * (highest - lowest) / middle)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_over_the_rounds() {
        let mut figures = Figures::default();
        [3.0, 1.0, 2.0].iter().for_each(|value| figures.add("odd", *value));
        [1.0, 4.0].iter().for_each(|value| figures.add("even", *value));
        assert_eq!(
            (figures.median("odd"), figures.spread_percent("odd")),
            (Some(2.0), Some(100.0))
        );
        assert_eq!((figures.median("even"), figures.latest("even")), (Some(2.5), Some(4.0)));
        assert_eq!((figures.median("none"), figures.spread_percent("none")), (None, None));
    }

    #[test]
    fn a_load_gives_its_rate_its_latencies_and_its_processor_time() {
        let mut measured = Measured::new().unwrap();
        (0..100).for_each(|_| measured.count(Duration::from_millis(2), Ok(())));
        measured.count(Duration::from_millis(2), Err("UNAVAILABLE"));
        measured.elapsed = Duration::from_secs(2);
        let mut figures = Figures::default();
        figures.add_load("x", &measured, Some(Duration::from_millis(10)));
        assert_eq!(figures.median("x_rps"), Some(50.0));
        assert!((figures.median("x_p999_us").unwrap() - 2000.0).abs() < 2.0);
        assert_eq!(figures.median("x_cpu_us"), Some(100.0));
        assert_eq!(figures.errors("x"), "1 UNAVAILABLE");
    }
}
