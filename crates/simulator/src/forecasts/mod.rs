//! Forecasts of a function's next step: the windows they are made from, simple ones to beat, and
//! their score.

mod baselines;
mod scorer;
#[cfg(test)]
mod test_window;
mod windows;

pub use self::{
    baselines::{exponential_smoothing, last_value, moving_average},
    scorer::{ForecastScore, Scorer},
    windows::{FORECAST_VALUES, STEP_FEATURES, Window, WindowOptions, features},
};
