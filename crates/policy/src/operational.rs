//! The operational layer's model: from the last twelve steps of a function to its next.

use strata_domain::MemoryTier;

use crate::{Feature, SchemaError, feature};

/// Name of the model's input.
pub const INPUT: &str = "window";
/// Name of the model's output: `[batch, 3]`.
pub const OUTPUT: &str = "forecast";
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

type StepFeature = Feature<fn(&Step) -> f64>;

const STEP_FEATURES: &[StepFeature] = &[
    Feature {
        name: "request_rate",
        unit: "1/s",
        min: 0.0,
        max: MAX_STEP_VALUE,
        formula: "requests per second",
        value: |step| step.request_rate,
    },
    Feature {
        name: "memory_util",
        unit: "1",
        min: 0.0,
        max: 1.0,
        formula: "share of the allotted memory in use",
        value: |step| step.memory_util,
    },
    Feature {
        name: "cpu_util",
        unit: "1",
        min: 0.0,
        max: 1.0,
        formula: "share of the allotted CPU in use",
        value: |step| step.cpu_util,
    },
    Feature {
        name: "queue_depth",
        unit: "1",
        min: 0.0,
        max: MAX_STEP_VALUE,
        formula: "requests waiting",
        value: |step| step.queue_depth,
    },
    Feature {
        name: "hour_sin",
        unit: "1",
        min: -1.0,
        max: 1.0,
        formula: "sin(2 pi seconds of the day / 86400)",
        value: |step| step.hour_sin,
    },
];

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

    /// Appends the row of `window` to `rows`, step by step, oldest first.
    pub fn encode(&self, window: &[Step; WINDOW_STEPS], rows: &mut Vec<f32>) {
        for step in window {
            rows.extend(self.0.iter().map(|feature| feature.bounded((feature.value)(step))));
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

    /// The forecast in `output`; `None` when it is shorter than the labels. Below zero is zero, a share above one is one.
    pub fn decode(&self, output: &[f32]) -> Option<Forecast> {
        let [rate, memory, cpu] = self.positions.map(|position| output.get(position).copied());
        Some(Forecast {
            request_rate: f64::from(rate?).max(0.0),
            memory_util: f64::from(memory?).clamp(0.0, 1.0),
            cpu_util: f64::from(cpu?).clamp(0.0, 1.0),
        })
    }
}
