//! The simple forecasts that a model must beat.

use std::array;

use super::windows::{FORECAST_VALUES, Window};

/// The forecast that the next step is like the last.
pub fn last_value(window: &Window) -> [f32; FORECAST_VALUES] {
    let last = window.x[window.x.len() - 1];
    array::from_fn(|value| last[value])
}

/// The forecast that the next step is the mean of the window.
pub fn moving_average(window: &Window) -> [f32; FORECAST_VALUES] {
    let steps = window.x.len() as f32;
    array::from_fn(|value| window.x.iter().map(|step| step[value]).sum::<f32>() / steps)
}

/// The forecast of exponential smoothing over the window, oldest step first.
pub fn exponential_smoothing(window: &Window) -> [f32; FORECAST_VALUES] {
    array::from_fn(|value| {
        let mut steps = window.x.iter().map(|step| step[value]);
        let first = steps.next().unwrap_or(0.0);
        steps.fold(first, |level, step| SMOOTHING * step + (1.0 - SMOOTHING) * level)
    })
}

/// Share of the latest step in exponential smoothing.
const SMOOTHING: f32 = 0.5;

#[cfg(test)]
mod tests {
    use super::{super::test_window::window, *};

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
}
