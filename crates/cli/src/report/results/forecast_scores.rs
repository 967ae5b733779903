//! The accuracy of forecasts, and of the simple baselines that they must beat.

use strata_simulator::{Trigger, Window, exponential_smoothing, last_value, moving_average};

use super::ratio::ratio;
use crate::report::{
    answers::{Answered, Forecasts},
    subject::Subject,
};

/// The names of the three forecast values in the report.
pub(crate) const OUTPUTS: [&str; 3] = ["request_rate", "memory_util", "cpu_util"];
/// Steps ahead at which the same forecast is compared with the truth.
pub(crate) const HORIZONS: [usize; 4] = [1, 2, 4, 8];
/// The triggers by which functions are grouped.
pub(crate) const TRIGGERS: [&str; 4] = ["timer", "http", "queue", "other"];
const STEPS_PER_MINUTE: usize = 4;
/// A truth with a smaller sum of squared distances from its mean does not vary: the rest is
/// rounding.
const MIN_SPREAD: f64 = 1e-12;
/// The truth of a function with a standard deviation below this share of its mean does not vary
/// either: R2 on noise in the last digits is arbitrary, and would dominate a mean over functions.
const MIN_VARIATION: f64 = 0.01;
/// The same for this absolute deviation: a thousandth of a processor, of the memory, or of a
/// request per second.
const MIN_DEVIATION: f64 = 1e-3;

/// Figures of one forecast value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Score {
    pub(crate) r2_pooled: f64,
    pub(crate) r2_mean: f64,
    pub(crate) r2_median: f64,
    /// How many functions vary, and thus count in `r2_mean` and `r2_median`.
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
    /// Over all windows, for each output.
    pub(crate) outputs: [Score; 3],
    /// Over the windows with a call in them.
    pub(crate) active: [Score; 3],
    /// RMSE by output and horizon.
    pub(crate) by_horizon: [[f64; HORIZONS.len()]; 3],
    /// RMSE by output and trigger.
    pub(crate) by_trigger: [[f64; TRIGGERS.len()]; 3],
    pub(crate) windows: usize,
    pub(crate) active_windows: usize,
    pub(crate) stride: usize,
}

impl Scores {
    pub(crate) fn of(subject: &Subject, forecasts: &Forecasts) -> Self {
        let all: Vec<Answered<'_>> = forecasts.answered().collect();
        let called = |(window, _): &Answered<'_>| window.x.iter().any(|step| step[0] > 0.0);
        let active: Vec<Answered<'_>> = all.iter().copied().filter(called).collect();
        Self {
            outputs: outputs(&all),
            active: outputs(&active),
            by_horizon: by_horizon(subject, &all),
            by_trigger: by_trigger(subject, &all),
            windows: all.len(),
            active_windows: active.len(),
            stride: forecasts.stride,
        }
    }
}

fn outputs(answered: &[Answered<'_>]) -> [Score; 3] {
    let by = |guess: fn(&Window) -> [f32; 3]| -> Vec<[f64; 3]> {
        answered.iter().map(|(window, _)| guess(window).map(f64::from)).collect()
    };
    let points: Vec<[f64; 3]> = answered.iter().map(|(_, answer)| answer.point).collect();
    let (last, moving) = (by(last_value), by(moving_average));
    let exponential = by(exponential_smoothing);
    [0, 1, 2].map(|output| {
        let fit = |guesses: &[[f64; 3]]| fit(answered, guesses, output);
        let (own, last_fit) = (fit(&points), fit(&last));
        let (moving, exponential) = (fit(&moving), fit(&exponential));
        let baselines = [last_fit, moving, exponential].map(|fit| fit.r2_mean);
        let bound = |n: usize| answered[n].1.upper[output];
        let (under_rate, mean_over) = headroom(answered, output, bound);
        let (under_twice, over_twice) = headroom(answered, output, |n| 2.0 * last[n][output]);
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

/// The fit of one output. The windows of a function must be adjacent.
fn fit(answered: &[Answered<'_>], guesses: &[[f64; 3]], output: usize) -> Fit {
    let pairs: Vec<(usize, f64, f64)> = answered
        .iter()
        .zip(guesses)
        .map(|((window, _), guess)| (window.function, f64::from(window.y[output]), guess[output]))
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

/// The share of windows above their bound, and the mean distance from the others up to their bound.
fn headroom(answered: &[Answered<'_>], output: usize, bound: impl Fn(usize) -> f64) -> (f64, f64) {
    let above: Vec<f64> = answered
        .iter()
        .enumerate()
        .map(|(n, (window, _))| bound(n) - f64::from(window.y[output]))
        .collect();
    let under = above.iter().filter(|above| **above < 0.0).count();
    let over: Vec<f64> = above.iter().copied().filter(|above| *above >= 0.0).collect();
    (ratio(under as f64, above.len() as f64), ratio(over.iter().sum(), over.len() as f64))
}

fn by_horizon(subject: &Subject, answered: &[Answered<'_>]) -> [[f64; HORIZONS.len()]; 3] {
    let steps = subject.world.trace().minutes() * STEPS_PER_MINUTE;
    let mut sums = [[(0.0, 0.0); HORIZONS.len()]; 3];
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

fn by_trigger(subject: &Subject, answered: &[Answered<'_>]) -> [[f64; TRIGGERS.len()]; 3] {
    let mut sums = [[(0.0, 0.0); TRIGGERS.len()]; 3];
    for (window, answer) in answered {
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
    use strata_domain::Objective;
    use strata_simulator::Scope;

    use super::*;
    use crate::report::{answers::Forecast, tests::world};

    pub(crate) fn window(function: usize, rates: [f32; 12], next: f32) -> Window {
        let x = rates.map(|rate| [rate, 0.5, 0.1, 0.0, 0.0]);
        Window {
            function,
            target_step: 12,
            x,
            y: [next, 0.5, 0.1],
            calls: Default::default(),
            platform: world(0..0).catalogue().reference_platform(),
            keep_alive_minutes: 7.0,
        }
    }

    #[test]
    fn pooled_and_mean_fits_differ_where_functions_do() {
        // Function 0 is forecast as its mean, function 1 exactly.
        let windows: Vec<Window> = [(0, 0.0), (0, 2.0), (1, 10.0), (1, 14.0)]
            .map(|(function, next)| window(function, [0.0; 12], next))
            .to_vec();
        let guesses = [1.0, 1.0, 10.0, 14.0].map(|guess| [guess, 0.5, 0.1]);
        let none = Forecast::default();
        let windows: Vec<Answered<'_>> = windows.iter().map(|window| (window, &none)).collect();
        let of_rate = fit(&windows, &guesses, 0);
        // SSE 2; the truth is 6.5 on average, with squared distances 42.25 + 20.25 + 12.25 + 56.25.
        assert!((of_rate.r2_pooled - (1.0 - 2.0 / 131.0)).abs() < 1e-12, "{of_rate:?}");
        assert!((of_rate.r2_mean - 0.5).abs() < 1e-12);
        assert!((of_rate.rmse - 0.5f64.sqrt()).abs() < 1e-12);
        // A truth that does not vary has no fit.
        assert_eq!(fit(&windows, &guesses, 1).r2_mean, 0.0);
    }

    #[test]
    fn headroom_counts_what_is_above_the_bound() {
        let windows = [1.0, 2.0, 6.0, 4.0].map(|next| window(0, [0.0; 12], next));
        let none = Forecast::default();
        let windows = windows.each_ref().map(|window| (window, &none));
        assert_eq!(headroom(&windows, 0, |_| 4.0), (0.25, 5.0 / 3.0));
    }

    #[test]
    fn windows_without_a_call_count_in_one_of_the_two_tables_only() {
        let forecasts = Forecasts {
            windows: vec![window(0, [0.0; 12], 3.0), window(0, [1.0; 12], 3.0)],
            answers: vec![Forecast::default(); 2],
            stride: 1,
        };
        let world = world(0..1);
        let (scope, objective) = (Scope::everything(), Objective::tactical());
        let name = "one".to_owned();
        let subject = Subject { name, world, scope, objective, models: "models".into() };
        let scores = Scores::of(&subject, &forecasts);
        assert_eq!((scores.windows, scores.active_windows), (2, 1));
        assert_eq!(scores.active[0].rmse, 3.0);
    }
}
