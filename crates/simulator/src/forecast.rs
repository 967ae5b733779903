//! How good a forecast of the next step is, and the simple forecasts a model must beat.

use crate::windows::{FORECAST_VALUES, Window};

/// The forecast that the last step repeats itself.
pub fn last_value(window: &Window) -> [f32; FORECAST_VALUES] {
    let last = window.x[window.x.len() - 1];
    [last[0], last[1], last[2]]
}

/// The forecast that the next step is the mean of the window.
pub fn moving_average(window: &Window) -> [f32; FORECAST_VALUES] {
    let steps = window.x.len() as f32;
    [0, 1, 2].map(|value| window.x.iter().map(|step| step[value]).sum::<f32>() / steps)
}

/// The forecast of exponential smoothing over the window, oldest step first, half of each step.
pub fn exponential_smoothing(window: &Window) -> [f32; FORECAST_VALUES] {
    [0, 1, 2].map(|value| {
        let mut steps = window.x.iter().map(|step| step[value]);
        let first = steps.next().unwrap_or(0.0);
        steps.fold(first, |level, step| SMOOTHING * step + (1.0 - SMOOTHING) * level)
    })
}

/// Share of the latest step in exponential smoothing.
const SMOOTHING: f32 = 0.5;

/// How far forecasts are from the truth, for request rate, memory use and CPU use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastScore {
    /// Windows scored.
    pub windows: usize,
    /// Coefficient of determination *within* functions, pooled over them: 1 - SSE / SST, where SSE sums the squared errors of all
    /// windows and SST the squared distances of the truth from the mean of *its own function*. So telling large functions
    /// from small ones earns nothing; 0 is a forecaster that knows each function's mean in hindsight. The rate is
    /// compared as `ln(1 + rate)`, else the busiest function would be all of the score.
    pub r2: [f64; FORECAST_VALUES],
    /// The mean over functions of each one's own coefficient of determination, in raw units; over those whose value varies, by more than
    /// a hundredth of its mean and by more than a thousandth.
    pub r2_mean: [f64; FORECAST_VALUES],
    /// Root of the mean squared error, in raw units.
    pub rmse: [f64; FORECAST_VALUES],
    /// Mean absolute error, in raw units.
    pub mae: [f64; FORECAST_VALUES],
    /// Mean asymmetric squared error, five times as much below the truth as above it, in the units of `r2`.
    pub asymmetric: [f64; FORECAST_VALUES],
}

/// Weight of a squared error when the forecast is too low; too high counts 1.
const TOO_LOW: f64 = 5.0;

/// Collects forecasts; windows of one function need not come together.
#[derive(Debug, Clone, Default)]
pub struct Scorer {
    functions: Vec<Sums>,
    squared: [f64; FORECAST_VALUES],
    absolute: [f64; FORECAST_VALUES],
    asymmetric: [f64; FORECAST_VALUES],
    windows: usize,
}

/// Moments of the truth of one function (Welford).
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
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

/// A value that deviates less than this from its mean does not vary, nor one that deviates less than this share of the mean.
const LEAST_DEVIATION: f64 = 1e-3;
const LEAST_VARIATION: f64 = 0.01;

impl Raw {
    /// Takes in the `count`-th value.
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

    /// Takes in one forecast.
    pub fn add(&mut self, window: &Window, forecast: [f32; FORECAST_VALUES]) {
        if self.functions.len() <= window.function {
            self.functions.resize(window.function + 1, Sums::default());
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
            r2: [0, 1, 2]
                .map(|value| 1.0 - self.squared[value] / spread(value).max(f64::MIN_POSITIVE)),
            r2_mean: [0, 1, 2].map(|value| {
                let own = self.functions.iter().filter_map(|sums| sums.raw[value].r2(sums.count));
                let (sum, count) = own.fold((0.0, 0.0), |(sum, n), r2| (sum + r2, n + 1.0));
                sum / f64::max(count, 1.0)
            }),
            rmse: [0, 1, 2].map(|value| {
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
    use super::*;
    use strata_domain::Provider;
    use strata_policy::operational::CallHistory;

    fn window(function: usize, rates: [f32; 12], next: f32) -> Window {
        Window {
            function,
            target_step: 0,
            x: rates.map(|rate| [rate, 0.5, 0.1, 0.0, 0.0]),
            y: [next, 0.5, 0.1],
            calls: CallHistory::default(),
            provider: Provider::Aws,
        }
    }

    #[test]
    fn baselines_read_the_window() {
        let mut rates = [0.0; 12];
        rates[11] = 6.0;
        let window = window(0, rates, 1.0);
        assert_eq!(last_value(&window), [6.0, 0.5, 0.1]);
        assert_eq!(exponential_smoothing(&window)[0], 3.0);
        let [rate, memory, cpu] = moving_average(&window);
        assert_eq!(rate, 0.5);
        assert!((memory - 0.5).abs() < 1e-6 && (cpu - 0.1).abs() < 1e-6);
    }

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
