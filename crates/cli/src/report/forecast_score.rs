//! How good forecasts were, and the simple ones they must beat.

use strata_simulator::{Trigger, Window, last_value, moving_average};

use super::{Subject, forecast::Forecasts, ratio};

/// The three values that are forecast, by the names of the report.
pub(crate) const OUTPUTS: [&str; 3] = ["request_rate", "memory_util", "cpu_util"];
/// Steps ahead at which the same forecast is held against the truth.
pub(crate) const HORIZONS: [usize; 4] = [1, 2, 4, 8];
/// What functions are grouped by.
pub(crate) const TRIGGERS: [&str; 4] = ["timer", "http", "queue", "other"];
/// Share of the latest step in exponential smoothing.
const ALPHA: f64 = 0.5;
const STEPS_PER_MINUTE: usize = 4;
/// A truth with a smaller sum of squared distances from its mean does not vary: what is left is
/// rounding.
const MIN_SPREAD: f64 = 1e-12;
/// Nor does that of a function whose standard deviation is below this share of its mean: a fit of
/// noise in the last digits is any number, and a mean over functions would be that number.
const MIN_VARIATION: f64 = 0.01;
/// Nor below this: a thousandth of a processor, of the memory, or of a request per second.
const MIN_DEVIATION: f64 = 1e-3;

/// Figures of one forecast value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Score {
    pub(crate) r2_pooled: f64,
    pub(crate) r2_mean: f64,
    pub(crate) r2_median: f64,
    /// How many functions vary, and so count in `r2_mean` and `r2_median`.
    pub(crate) r2_functions: usize,
    pub(crate) rmse: f64,
    pub(crate) rmse_last: f64,
    pub(crate) rmse_moving_average: f64,
    pub(crate) rmse_exponential: f64,
    pub(crate) r2_mean_best_baseline: f64,
    pub(crate) under_rate: f64,
    pub(crate) mean_over: f64,
    pub(crate) under_rate_twice_last: f64,
    pub(crate) mean_over_twice_last: f64,
}

/// All figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Scores {
    pub(crate) outputs: [Score; 3],
    /// RMSE by output and horizon.
    pub(crate) by_horizon: [[f64; HORIZONS.len()]; 3],
    /// RMSE by output and trigger.
    pub(crate) by_trigger: [[f64; TRIGGERS.len()]; 3],
    pub(crate) windows: usize,
    pub(crate) stride: usize,
}

impl Scores {
    pub(crate) fn of(subject: &Subject, forecasts: &Forecasts) -> Self {
        let Forecasts { windows, answers, stride } = forecasts;
        let points: Vec<[f64; 3]> = answers.iter().map(|answer| answer.point).collect();
        let by = |guess: fn(&Window) -> [f64; 3]| windows.iter().map(guess).collect::<Vec<_>>();
        let last = by(|window| last_value(window).map(f64::from));
        let moving = by(|window| moving_average(window).map(f64::from));
        let exponential = by(exponential);
        let outputs = [0, 1, 2].map(|output| {
            let fit = |guesses: &[[f64; 3]]| fit(windows, guesses, output);
            let (own, last_fit) = (fit(&points), fit(&last));
            let (moving, exponential) = (fit(&moving), fit(&exponential));
            let baselines = [last_fit, moving, exponential].map(|fit| fit.r2_mean);
            let bound = |n: usize| answers[n].upper[output];
            let (under_rate, mean_over) = headroom(windows, output, bound);
            let (under_twice, over_twice) = headroom(windows, output, |n| 2.0 * last[n][output]);
            Score {
                r2_pooled: own.r2_pooled,
                r2_mean: own.r2_mean,
                r2_median: own.r2_median,
                r2_functions: own.functions,
                rmse: own.rmse,
                rmse_last: last_fit.rmse,
                rmse_moving_average: moving.rmse,
                rmse_exponential: exponential.rmse,
                r2_mean_best_baseline: baselines.into_iter().fold(f64::MIN, f64::max),
                under_rate,
                mean_over,
                under_rate_twice_last: under_twice,
                mean_over_twice_last: over_twice,
            }
        });
        let (by_horizon, by_trigger) =
            (by_horizon(subject, forecasts), by_trigger(subject, forecasts));
        Self { outputs, by_horizon, by_trigger, windows: windows.len(), stride: *stride }
    }
}

/// Exponential smoothing over the window, oldest step first.
fn exponential(window: &Window) -> [f64; 3] {
    [0, 1, 2].map(|output| {
        let mut values = window.x.iter().map(|step| f64::from(step[output]));
        let first = values.next().unwrap_or(0.0);
        values.fold(first, |level, value| ALPHA * value + (1.0 - ALPHA) * level)
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    r2_pooled: f64,
    r2_mean: f64,
    r2_median: f64,
    functions: usize,
    rmse: f64,
}

/// Windows of one function must come together.
fn fit(windows: &[Window], guesses: &[[f64; 3]], output: usize) -> Fit {
    let pairs: Vec<(usize, f64, f64)> = windows
        .iter()
        .zip(guesses)
        .map(|(window, guess)| (window.function, f64::from(window.y[output]), guess[output]))
        .collect();
    let all = Sums::of(&pairs);
    let functions = pairs.chunk_by(|a, b| a.0 == b.0).map(Sums::of);
    let mut own: Vec<f64> = functions.filter(Sums::varies).map(|sums| sums.r2()).collect();
    own.sort_unstable_by(f64::total_cmp);
    Fit {
        r2_pooled: all.r2(),
        r2_mean: ratio(own.iter().sum(), own.len() as f64),
        r2_median: own.get(own.len() / 2).copied().unwrap_or(0.0),
        functions: own.len(),
        rmse: ratio(all.squared, pairs.len() as f64).sqrt(),
    }
}

/// Squared errors, and squared distances of the truth from its mean.
struct Sums {
    squared: f64,
    spread: f64,
    mean: f64,
    count: f64,
}

impl Sums {
    fn of(pairs: &[(usize, f64, f64)]) -> Self {
        let count = pairs.len() as f64;
        let mean = ratio(pairs.iter().map(|pair| pair.1).sum(), count);
        let squared = pairs.iter().map(|(_, truth, guess)| (truth - guess).powi(2)).sum();
        let spread = pairs.iter().map(|(_, truth, _)| (truth - mean).powi(2)).sum();
        Self { squared, spread, mean, count }
    }

    fn varies(&self) -> bool {
        let deviation = ratio(self.spread, self.count).sqrt();
        deviation > MIN_DEVIATION && deviation > MIN_VARIATION * self.mean.abs()
    }

    fn r2(&self) -> f64 {
        if self.spread > MIN_SPREAD { 1.0 - self.squared / self.spread } else { 0.0 }
    }
}

/// Share of windows above their bound, and how far the bound is above the others on average.
fn headroom(windows: &[Window], output: usize, bound: impl Fn(usize) -> f64) -> (f64, f64) {
    let above: Vec<f64> = windows
        .iter()
        .enumerate()
        .map(|(n, window)| bound(n) - f64::from(window.y[output]))
        .collect();
    let under = above.iter().filter(|above| **above < 0.0).count();
    let over: Vec<f64> = above.iter().copied().filter(|above| *above > 0.0).collect();
    (ratio(under as f64, above.len() as f64), ratio(over.iter().sum(), over.len() as f64))
}

fn by_horizon(subject: &Subject, forecasts: &Forecasts) -> [[f64; HORIZONS.len()]; 3] {
    let steps = subject.world.trace().minutes() * STEPS_PER_MINUTE;
    let mut sums = [[(0.0, 0.0); HORIZONS.len()]; 3];
    let answered: Vec<_> = forecasts.windows.iter().zip(&forecasts.answers).collect();
    for group in answered.chunk_by(|a, b| a.0.function == b.0.function) {
        let Some(telemetry) = subject.world.telemetry(group[0].0.function) else { continue };
        let series = telemetry.series(0..steps);
        for (window, answer) in group {
            for (number, horizon) in HORIZONS.into_iter().enumerate() {
                let Some(truth) = series.get(window.target_step + horizon - 1) else { continue };
                let truth = [truth.request_rate, truth.memory_util, truth.cpu_util];
                for (output, row) in sums.iter_mut().enumerate() {
                    row[number].0 += (answer.point[output] - truth[output]).powi(2);
                    row[number].1 += 1.0;
                }
            }
        }
    }
    sums.map(|row| row.map(|(squared, count)| ratio(squared, count).sqrt()))
}

fn by_trigger(subject: &Subject, forecasts: &Forecasts) -> [[f64; TRIGGERS.len()]; 3] {
    let mut sums = [[(0.0, 0.0); TRIGGERS.len()]; 3];
    for (window, answer) in forecasts.windows.iter().zip(&forecasts.answers) {
        let trigger = subject.world.trace().functions().get(window.function);
        let number = match trigger.map(|function| function.trigger) {
            Some(Trigger::Timer) => 0,
            Some(Trigger::Http) => 1,
            Some(Trigger::Queue) => 2,
            _ => 3,
        };
        for (output, row) in sums.iter_mut().enumerate() {
            row[number].0 += (answer.point[output] - f64::from(window.y[output])).powi(2);
            row[number].1 += 1.0;
        }
    }
    sums.map(|row| row.map(|(squared, count)| ratio(squared, count).sqrt()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use strata_domain::Provider;

    pub(crate) fn window(function: usize, rates: [f32; 12], next: f32) -> Window {
        let x = rates.map(|rate| [rate, 0.5, 0.1, 0.0, 0.0]);
        Window {
            function,
            target_step: 12,
            x,
            y: [next, 0.5, 0.1],
            calls: Default::default(),
            provider: Provider::Aws,
        }
    }

    #[test]
    fn pooled_and_mean_fits_differ_where_functions_do() {
        // Function 0 is forecast as its mean, function 1 exactly.
        let windows: Vec<Window> = [(0, 0.0), (0, 2.0), (1, 10.0), (1, 14.0)]
            .map(|(function, next)| window(function, [0.0; 12], next))
            .to_vec();
        let guesses = [1.0, 1.0, 10.0, 14.0].map(|guess| [guess, 0.5, 0.1]);
        let of_rate = fit(&windows, &guesses, 0);
        // SSE 2; the truth is 6.5 on average, with squared distances 42.25 + 20.25 + 12.25 + 56.25.
        assert!((of_rate.r2_pooled - (1.0 - 2.0 / 131.0)).abs() < 1e-12, "{of_rate:?}");
        assert!((of_rate.r2_mean - 0.5).abs() < 1e-12);
        assert!((of_rate.rmse - 0.5f64.sqrt()).abs() < 1e-12);
        // A truth that does not vary has no fit.
        assert_eq!(fit(&windows, &guesses, 1).r2_mean, 0.0);
    }

    #[test]
    fn smoothing_halves_what_is_older() {
        let mut rates = [0.0; 12];
        (rates[10], rates[11]) = (4.0, 8.0);
        assert_eq!(exponential(&window(0, rates, 0.0))[0], 5.0);
    }

    #[test]
    fn headroom_counts_what_is_above_the_bound() {
        let windows = [1.0, 2.0, 6.0, 2.0].map(|next| window(0, [0.0; 12], next));
        assert_eq!(headroom(&windows, 0, |_| 4.0), (0.25, 7.0 / 3.0));
    }
}
