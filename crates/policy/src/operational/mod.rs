//! The operational layer's model: from the last twelve steps of a function to its next.

mod calls;
mod encoder;
mod features;
mod forecast;
mod step;

pub use self::{
    calls::CallHistory,
    encoder::{DEFAULT_FEATURES, EXTENDED_FEATURES, Encoder},
    features::Observation,
    forecast::{Decoder, Forecast, LABELS},
    step::{MAX_STEP_VALUE, STEP_SECONDS, Step, WINDOW_STEPS},
};

/// Name of the model's input.
pub const INPUT: &str = "window";
/// Name of the model's output: `[batch, LABELS.len()]`.
pub const OUTPUT: &str = "forecast";
/// Name of an optional second output with the same shape and labels: upper bounds that the next
/// step hardly exceeds.
pub const UPPER: &str = "upper";
