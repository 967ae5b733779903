//! The operational layer's model: from the last twelve steps of a function to its next.

mod calls;
mod features;

pub use calls::CallHistory;
pub use features::Observation;

use strata_domain::MemoryTier;

use self::features::{STEP_FEATURES, Seen, StepFeature};
use crate::{SchemaError, feature};

/// Name of the model's input.
pub const INPUT: &str = "window";
/// Name of the model's output: `[batch, 3]`.
pub const OUTPUT: &str = "forecast";
/// Name of the output a model may have beside it: what the next step will hardly exceed, `[batch, 3]` with the same labels.
pub const UPPER: &str = "upper";
/// Length of a step, in seconds.
pub const STEP_SECONDS: i64 = 15;
/// Steps in a window, oldest first.
pub const WINDOW_STEPS: usize = 12;
/// The greatest request rate (per second) and queue depth that are told apart.
pub const MAX_STEP_VALUE: f64 = 1e6;
/// What the model's numbers stand for; a manifest lists them as labels, in its own order.
pub const LABELS: [&str; 3] = ["request_rate", "memory_util", "cpu_util"];

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

/// What was observed of a function over 15 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Step {
    /// Requests per second.
    pub request_rate: f64,
    /// Share of the allotted memory in use, 0 to 1.
    pub memory_util: f64,
    /// Share of the allotted CPU in use, 0 to 1.
    pub cpu_util: f64,
    /// Requests waiting.
    pub queue_depth: f64,
    /// Sine of the hour angle at the end of the step, -1 to 1.
    pub hour_sin: f64,
}

impl Step {
    /// The step as it would look under another memory size: the same work in a smaller share of more memory, and of the CPU that comes
    /// with it in proportion.
    #[must_use]
    pub fn re_expressed(self, from: MemoryTier, to: MemoryTier) -> Self {
        let ratio = f64::from(from.megabytes()) / f64::from(to.megabytes());
        Self {
            memory_util: (self.memory_util * ratio).min(1.0),
            cpu_util: (self.cpu_util * ratio).min(1.0),
            ..self
        }
    }
}

impl Step {
    /// The mean of some steps, without an hour; all 0 when there are none.
    pub fn mean<'s>(steps: impl Iterator<Item = &'s Self> + Clone) -> Self {
        let count = steps.clone().count().max(1) as f64;
        let over = |value: fn(&Self) -> f64| steps.clone().map(value).sum::<f64>() / count;
        Self {
            request_rate: over(|step| step.request_rate),
            memory_util: over(|step| step.memory_util),
            cpu_util: over(|step| step.cpu_util),
            queue_depth: over(|step| step.queue_depth),
            hour_sin: 0.0,
        }
    }
}

/// What to expect of the next step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Requests per second.
    pub request_rate: f64,
    /// Share of the allotted memory in use, 0 to 1.
    pub memory_util: f64,
    /// Share of the allotted CPU in use, 0 to 1.
    pub cpu_util: f64,
}

/// Turns windows into the rows of one model.
#[derive(Debug, Clone)]
pub struct Encoder(Vec<StepFeature>);

impl Encoder {
    /// An encoder for the features a manifest names: (name, unit), in order.
    pub fn resolve<'w>(
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        Ok(Self(feature::resolve(STEP_FEATURES.iter().copied(), wanted)?))
    }

    /// An encoder for features by name, whatever their units.
    pub fn of_names(names: &[&str]) -> Result<Self, SchemaError> {
        let unit =
            |name: &str| STEP_FEATURES.iter().find(|f| f.name == name).map_or("", |f| f.unit);
        Self::resolve(names.iter().map(|name| (*name, unit(name))))
    }

    /// The features, in order: name, unit, least and greatest value.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        self.0.iter().map(|f| (f.name, f.unit, f.min, f.max))
    }

    /// Numbers in a row: steps times features.
    pub fn width(&self) -> usize {
        WINDOW_STEPS * self.0.len()
    }

    /// Appends the row of `observation` to `rows`, step by step, oldest first.
    pub fn encode(&self, observation: &Observation<'_>, rows: &mut Vec<f32>) {
        let seen = Seen::new(observation);
        for index in 0..WINDOW_STEPS {
            rows.extend(self.0.iter().map(|f| f.bounded((f.value)(&seen, index))));
        }
    }
}

/// Reads a model's output by the labels of its manifest.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    positions: [usize; 3],
}

impl Decoder {
    /// A decoder for outputs in the order of `labels`; `Err` holds the label that is missing.
    pub fn resolve(labels: &[String]) -> Result<Self, &'static str> {
        let mut positions = [0; 3];
        for (position, label) in positions.iter_mut().zip(LABELS) {
            *position = labels.iter().position(|known| known == label).ok_or(label)?;
        }
        Ok(Self { positions })
    }

    /// The forecast, or the upper bounds of it, in `output`; `None` when it is shorter than the labels. Below zero is zero, a share above one is one.
    pub fn decode(&self, output: &[f32]) -> Option<Forecast> {
        let [rate, memory, cpu] = self.positions.map(|position| output.get(position).copied());
        Some(Forecast {
            request_rate: f64::from(rate?).max(0.0),
            memory_util: f64::from(memory?).clamp(0.0, 1.0),
            cpu_util: f64::from(cpu?).clamp(0.0, 1.0),
        })
    }
}
