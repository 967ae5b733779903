//! How good a forecast of the next step is.

use std::array;

use super::windows::{FORECAST_VALUES, Window};

/// How far forecasts are from the truth, for request rate, memory use and CPU use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastScore {
    /// Windows scored.
    pub windows: usize,
    /// Coefficient of determination *within* functions, pooled over them: 1 - SSE / SST, where SSE
    /// sums the squared errors of all windows and SST the squared distances of the truth from the
    /// mean of *its own function*. So telling large functions from small ones does not raise the
    /// score: 0 is a forecaster that knows each function's mean in hindsight. The request rate is
    /// compared as `ln(1 + rate)`; otherwise the busiest function would dominate the score.
    pub r2: [f64; FORECAST_VALUES],
    /// The mean over functions of each one's own coefficient of determination, in raw units. Only
    /// functions whose value varies count: its standard deviation is above 1 % of its mean and
    /// above 0.001.
    pub r2_mean: [f64; FORECAST_VALUES],
    /// Root of the mean squared error, in raw units.
    pub rmse: [f64; FORECAST_VALUES],
    /// Mean absolute error, in raw units.
    pub mae: [f64; FORECAST_VALUES],
    /// Mean asymmetric squared error, five times as much below the truth as above it, in the units
    /// of `r2`.
    pub asymmetric: [f64; FORECAST_VALUES],
}

/// Weight of a squared error when the forecast is too low; too high counts 1.
const TOO_LOW: f64 = 5.0;

/// Collects forecasts, in any order.
#[derive(Debug, Clone, Default)]
pub struct Scorer {
    functions: Vec<FunctionSums>,
    squared: [f64; FORECAST_VALUES],
    absolute: [f64; FORECAST_VALUES],
    asymmetric: [f64; FORECAST_VALUES],
    windows: usize,
}

/// Moments of the truth of one function (Welford).
#[derive(Debug, Clone, Copy, Default)]
struct FunctionSums {
    count: f64,
    mean: [f64; FORECAST_VALUES],
    spread: [f64; FORECAST_VALUES],
    raw: [Raw; FORECAST_VALUES],
}

/// Moments of one value in raw units, and the squared errors of its forecasts.
#[derive(Debug, Clone, Copy, Default)]
struct Raw {
    mean: f64,
    spread: f64,
    squared: f64,
}

/// A value varies when its standard deviation is above this, and above [`LEAST_VARIATION`] times
/// its mean.
const LEAST_DEVIATION: f64 = 1e-3;
const LEAST_VARIATION: f64 = 0.01;

impl Raw {
    /// Adds the `count`-th value.
    fn add(&mut self, count: f64, truth: f64, guess: f64) {
        let step = truth - self.mean;
        self.mean += step / count;
        self.spread += step * (truth - self.mean);
        self.squared += (guess - truth).powi(2);
    }

    /// Coefficient of determination over `count` values; `None` when they do not vary.
    fn r2(&self, count: f64) -> Option<f64> {
        let deviation = (self.spread / count.max(1.0)).sqrt();
        let varies = deviation > LEAST_DEVIATION && deviation > LEAST_VARIATION * self.mean.abs();
        varies.then(|| 1.0 - self.squared / self.spread)
    }
}

impl Scorer {
    /// A scorer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one forecast.
    pub fn add(&mut self, window: &Window, forecast: [f32; FORECAST_VALUES]) {
        if self.functions.len() <= window.function {
            self.functions.resize(window.function + 1, FunctionSums::default());
        }
        let sums = &mut self.functions[window.function];
        sums.count += 1.0;
        self.windows += 1;
        let pairs = window.y.iter().zip(forecast).enumerate();
        for (value, (&truth, guess)) in pairs {
            let (truth, guess) = (f64::from(truth), f64::from(guess));
            self.absolute[value] += (guess - truth).abs();
            sums.raw[value].add(sums.count, truth, guess);
            let (truth, guess) = (compared(value, truth), compared(value, guess));
            let error = guess - truth;
            self.squared[value] += error * error;
            let weight = if error < 0.0 { TOO_LOW } else { 1.0 };
            self.asymmetric[value] += weight * error * error;
            let step = truth - sums.mean[value];
            sums.mean[value] += step / sums.count;
            sums.spread[value] += step * (truth - sums.mean[value]);
        }
    }

    /// The score so far; `None` before the first window.
    pub fn score(&self) -> Option<ForecastScore> {
        if self.windows == 0 {
            return None;
        }
        let count = self.windows as f64;
        let spread =
            |value: usize| self.functions.iter().map(|sums| sums.spread[value]).sum::<f64>();
        Some(ForecastScore {
            windows: self.windows,
            r2: array::from_fn(|value| {
                1.0 - self.squared[value] / spread(value).max(f64::MIN_POSITIVE)
            }),
            r2_mean: array::from_fn(|value| {
                let own = self.functions.iter().filter_map(|sums| sums.raw[value].r2(sums.count));
                let (sum, count) = own.fold((0.0, 0.0), |(sum, n), r2| (sum + r2, n + 1.0));
                sum / f64::max(count, 1.0)
            }),
            rmse: array::from_fn(|value| {
                let squared = self.functions.iter().map(|sums| sums.raw[value].squared);
                (squared.sum::<f64>() / count).sqrt()
            }),
            mae: self.absolute.map(|sum| sum / count),
            asymmetric: self.asymmetric.map(|sum| sum / count),
        })
    }
}

fn compared(value: usize, raw: f64) -> f64 {
    if value == 0 { raw.max(0.0).ln_1p() } else { raw }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::test_window::window, *};

    #[test]
    fn knowing_only_each_functions_size_scores_nothing() {
        let mut scorer = Scorer::new();
        // ln(1 + e - 1) = 1 and ln(1 + 0) = 0: the middle is e^0.5 - 1.
        let e = std::f32::consts::E;
        for function in 0..2 {
            for next in [0.0, e - 1.0] {
                scorer.add(&window(function, [0.0; 12], next), [e.sqrt() - 1.0, 0.5, 0.1]);
            }
        }
        let score = scorer.score().unwrap();
        assert!(score.r2[0].abs() < 1e-6, "{:?}", score.r2);
        // Errors of 0.5 each way: (5 + 1) / 2 x 0.25.
        assert!((score.asymmetric[0] - 0.75).abs() < 1e-6);
    }

    #[test]
    fn the_truth_scores_one() {
        let mut scorer = Scorer::new();
        assert_eq!(scorer.score(), None);
        for next in [1.0, 2.0, 5.0] {
            let window = window(0, [1.0; 12], next);
            scorer.add(&window, window.y);
        }
        let score = scorer.score().unwrap();
        assert_eq!((score.r2[0], score.mae[0], score.windows), (1.0, 0.0, 3));
        // Memory and CPU never vary: there is nothing to determine.
        assert_eq!((score.r2_mean, score.rmse), ([1.0, 0.0, 0.0], [0.0; 3]));
    }
}
