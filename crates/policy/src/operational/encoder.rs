use super::{
    features::{Observation, STEP_FEATURES, Seen, StepValue},
    step::WINDOW_STEPS,
};
use crate::feature::{Columns, SchemaError};

/// The features of the research framework's step, in its order.
pub const DEFAULT_FEATURES: [&str; 5] =
    ["request_rate", "memory_util", "cpu_util", "queue_depth", "hour_sin"];

/// The features of version 2: those, and what is known of the function's calls beyond the window.
pub const EXTENDED_FEATURES: [&str; 21] = [
    "request_rate",
    "memory_util",
    "cpu_util",
    "queue_depth",
    "hour_sin",
    "idle_seconds",
    "last_gap",
    "mean_gap",
    "gap_variation",
    "call_probability",
    "call_probability_near",
    "keep_alive_left",
    "run_seconds",
    "run_left",
    "long_run_left",
    "expected_request_rate",
    "expected_memory_util",
    "expected_cpu_util",
    "busy_request_rate",
    "busy_memory_util",
    "busy_cpu_util",
];

/// Turns windows into the rows of one model.
#[derive(Debug, Clone)]
pub struct Encoder(Columns<StepValue>);

impl Encoder {
    /// An encoder for the features a manifest names: (name, unit), in order.
    pub fn resolve<'w>(
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        Columns::resolve(STEP_FEATURES.iter().copied(), wanted).map(Self)
    }

    /// An encoder for features by name, whatever their units.
    pub fn of_names(names: &[&str]) -> Result<Self, SchemaError> {
        Columns::of_names(STEP_FEATURES.iter().copied(), names).map(Self)
    }

    /// The features, in order: name, unit, least and greatest value.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        self.0.described()
    }

    /// Numbers in a row: steps times features.
    pub fn width(&self) -> usize {
        WINDOW_STEPS * self.0.len()
    }

    /// Appends the row of `observation` to `rows`, step by step, oldest first.
    pub fn encode(&self, observation: &Observation<'_>, rows: &mut Vec<f32>) {
        let seen = Seen::new(observation);
        for index in 0..WINDOW_STEPS {
            self.0.append(rows, |value| value(&seen, index));
        }
    }
}
