//! The course of a fit as series of points. Series are thinned, so that a long run has no more
//! points than a short one.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::{Result, ensure};

/// Most points of a series.
const MOST_POINTS: usize = 256;
/// Most series that are read back.
const MOST_SERIES: usize = 64;

/// Series by name. A full series halves its points: each becomes the mean of two neighbours, at the
/// step of the later one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Clone, PartialEq)]
struct Series {
    /// Step and value.
    points: Vec<(f64, f64)>,
    /// Values per point.
    width: u32,
    /// The incomplete point: step of the latest value, sum and number of values.
    open: (f64, f64, u32),
}

impl Default for Series {
    fn default() -> Self {
        Self { points: Vec::new(), width: 1, open: (0.0, 0.0, 0) }
    }
}

impl Series {
    fn add(&mut self, step: f64, value: f64) {
        let (_, sum, count) = self.open;
        self.open = (step, sum + value, count + 1);
        if self.open.2 < self.width {
            return;
        }
        self.points.push((step, self.open.1 / f64::from(self.width)));
        self.open = (0.0, 0.0, 0);
        if self.points.len() >= MOST_POINTS {
            let pairs = self.points.chunks_exact(2);
            self.points = pairs.map(|pair| (pair[1].0, (pair[0].1 + pair[1].1) / 2.0)).collect();
            self.width = self.width.saturating_mul(2);
        }
    }
}

impl Curves {
    /// Adds a point. `series` is a name without commas and quotes. Values that are not finite are
    /// left out.
    pub fn add(&mut self, series: &str, step: f64, value: f64) {
        if step.is_finite() && value.is_finite() {
            self.series.entry(series.to_owned()).or_default().add(step, value);
        }
    }

    /// The step of the greatest value of a series, the first of equals; `None` without points.
    pub fn best_step(&self, series: &str) -> Option<f64> {
        let points = self.series.get(series)?.points.iter();
        let better = |best: (f64, f64), next: (f64, f64)| if next.1 > best.1 { next } else { best };
        points.copied().reduce(better).map(|(step, _)| step)
    }

    /// The content of `training.csv`: columns step, series, value; at most 256 rows per series.
    pub fn to_csv(&self) -> String {
        let mut text = "step,series,value\n".to_owned();
        for (name, series) in &self.series {
            let (step, sum, count) = series.open;
            let open = (count > 0).then(|| (step, sum / f64::from(count)));
            for (step, value) in series.points.iter().copied().chain(open) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{step},{name},{value}");
            }
        }
        text
    }

    /// Every series as numbers for a checkpoint: width, the three numbers of the incomplete point,
    /// then the points.
    pub(super) fn to_numbers(&self) -> BTreeMap<String, Vec<f64>> {
        let numbers = |series: &Series| {
            let (step, sum, count) = series.open;
            let mut numbers = vec![f64::from(series.width), step, sum, f64::from(count)];
            numbers.extend(series.points.iter().flat_map(|&(step, value)| [step, value]));
            numbers
        };
        self.series.iter().map(|(name, series)| (name.clone(), numbers(series))).collect()
    }

    /// The inverse of [`Self::to_numbers`].
    ///
    /// # Errors
    /// When there are more series, points or numbers than [`Self::to_numbers`] gives.
    pub(super) fn from_numbers(all: &BTreeMap<String, Vec<f64>>) -> Result<Self> {
        ensure!(all.len() <= MOST_SERIES, "{} curves are more than there can be", all.len());
        let mut series = BTreeMap::new();
        for (name, numbers) in all {
            let fits = numbers.len() >= 4
                && numbers.len().is_multiple_of(2)
                && numbers.len() <= 4 + 2 * MOST_POINTS
                && numbers.iter().all(|number| number.is_finite())
                && numbers[0] >= 1.0;
            ensure!(fits, "curve `{name}` is damaged");
            let points = numbers[4..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            let open = (numbers[1], numbers[2], numbers[3] as u32);
            series.insert(name.clone(), Series { points, width: numbers[0] as u32, open });
        }
        Ok(Self { series })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_is_thinned_to_means_and_ends_at_its_last_step() {
        let mut curves = Curves::default();
        for step in 0..100_001 {
            curves.add("loss", f64::from(step), f64::from(step % 2));
        }
        curves.add("reward", 5.0, 0.25);
        curves.add("reward", 6.0, f64::NAN);
        let csv = curves.to_csv();
        let rows: Vec<&str> = csv.lines().filter(|row| row.contains(",loss,")).collect();
        assert!((128..=256).contains(&rows.len()), "{} rows", rows.len());
        assert!(rows[1].ends_with(",loss,0.5"), "{}", rows[1]);
        assert_eq!(rows.last().unwrap().split(',').next(), Some("100000"));
        assert!(csv.starts_with("step,series,value\n") && csv.ends_with("\n5,reward,0.25\n"));
    }

    #[test]
    fn a_curve_goes_on_where_it_was_written_down() {
        let mut whole = Curves::default();
        for step in 0..777 {
            whole.add("loss", f64::from(step), f64::from(step));
        }
        let mut resumed = Curves::from_numbers(&whole.to_numbers()).unwrap();
        for step in 777..3000 {
            whole.add("loss", f64::from(step), f64::from(step));
            resumed.add("loss", f64::from(step), f64::from(step));
        }
        assert_eq!(whole, resumed);
        let damaged = BTreeMap::from([("loss".to_owned(), vec![1.0, 0.0, 0.0])]);
        assert!(Curves::from_numbers(&damaged).is_err());
    }
}
