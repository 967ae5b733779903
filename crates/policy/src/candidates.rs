//! Models that score candidates, whichever a catalogue has: version 3 of the strategic and the
//! tactical layer.
//!
//! The strategic model gives a Q-value to each platform, described by its best candidate; the
//! tactical model a logit to each region and memory size of the chosen platform. Both take numbers
//! of the function and numbers of each candidate; neither knows a name.

use strata_domain::{Candidate, FunctionFacts};

use crate::{
    feature::{Columns, Feature, SchemaError},
    function::{FUNCTION, FunctionValue},
};

/// Name of the input with the function's features: `[batch, features]`.
pub const STATE: &str = "state";
/// Name of the input with the candidates' features: `[batch, candidates, features]`.
pub const CANDIDATES: &str = "candidates";
/// Name of the input that is 1 for a candidate that may be chosen, else 0: `[batch, candidates]`.
pub const MASK: &str = "mask";
/// Name of the axis of the candidates.
pub const AXIS: &str = "candidates";
/// Name of the strategic model's output: `[batch, candidates]`.
pub const Q_VALUES: &str = "q_values";
/// Name of the tactical model's first output: `[batch, candidates]`.
pub const LOGITS: &str = "logits";
/// Name of the tactical model's second output: `[batch, 1]`.
pub const VALUE: &str = "value";

/// The features of a function that version 3 takes.
pub const STATE_FEATURES: [&str; 14] = [
    "invocation_rate",
    "inter_arrival_time",
    "is_bursty",
    "duration",
    "avg_duration",
    "std_duration",
    "memory_mb",
    "cold_start_rate",
    "request_bytes",
    "response_bytes",
    "cpu_share",
    "app_cold_start_rate",
    "app_sla_violation_rate",
    "app_avg_invocation_rate",
];

/// The position of a number among [`Candidate::values`].
type CandidateFeature = Feature<usize>;

const fn feature(
    (name, unit): (&'static str, &'static str),
    (min, max): (f64, f64),
    formula: &'static str,
    position: usize,
) -> CandidateFeature {
    Feature { name, unit, min, max, formula, value: position }
}

/// In the order of [`Candidate::values`].
static FEATURES: [CandidateFeature; Candidate::WIDTH] = [
    feature(
        ("expected_objective", "1"),
        (-100.0, 1.0),
        "expected objective by the catalogue's prices, round trips and grids",
        0,
    ),
    feature(("expected_cost", "USD"), (0.0, 1000.0), "expected cost of an invocation", 1),
    feature(("expected_latency", "ms"), (0.0, 1e8), "expected mean latency", 2),
    feature(("expected_carbon", "gCO2e"), (0.0, 1e6), "expected carbon of an invocation", 3),
    feature(
        ("cold_start_probability", "1"),
        (0.0, 1.0),
        "probability that an invocation starts cold",
        4,
    ),
    feature(("late_share", "1"), (0.0, 1.0), "share of invocations that break the promise", 5),
    feature(
        ("memory_head_room", "1"),
        (0.0, 100.0),
        "memory of the size over the memory that the function uses",
        6,
    ),
    feature(("round_trip", "ms"), (0.0, 2000.0), "round trip from the callers", 7),
    feature(("grid_intensity", "gCO2e/kWh"), (0.0, 2000.0), "intensity of the grid", 8),
    feature(("is_current", "1"), (0.0, 1.0), "whether the function runs there now", 9),
    feature(
        ("on_current_platform", "1"),
        (0.0, 1.0),
        "whether the function runs on the platform now",
        10,
    ),
    feature(
        ("in_current_region", "1"),
        (0.0, 1.0),
        "whether the function runs in the region now",
        11,
    ),
];

/// Turns facts of a function into the first input of a model that scores candidates.
#[derive(Debug, Clone)]
pub struct StateEncoder(Columns<FunctionValue>);

impl StateEncoder {
    /// An encoder for the features a manifest names: (name, unit), in order.
    ///
    /// # Errors
    /// One of them is unknown or has another unit.
    pub fn resolve<'w>(
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        Columns::resolve(FUNCTION.iter().copied(), wanted).map(Self)
    }

    /// An encoder for features by name, whatever their units.
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn of_names(names: &[&str]) -> Result<Self, SchemaError> {
        Columns::of_names(FUNCTION.iter().copied(), names).map(Self)
    }

    /// The features, in order: name, unit, least and greatest value.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        self.0.described()
    }

    /// Appends the features of a function to `row`.
    pub fn encode(&self, facts: &FunctionFacts, row: &mut Vec<f32>) {
        self.0.append(row, |value| value(facts));
    }
}

/// Turns a candidate into its part of the second input of a model that scores candidates.
#[derive(Debug, Clone)]
pub struct CandidateEncoder(Columns<usize>);

impl CandidateEncoder {
    /// An encoder for the features a manifest names: (name, unit), in order.
    ///
    /// # Errors
    /// One of them is unknown or has another unit.
    pub fn resolve<'w>(
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        Columns::resolve(FEATURES.iter().copied(), wanted).map(Self)
    }

    /// An encoder for features by name, whatever their units.
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn of_names(names: &[&str]) -> Result<Self, SchemaError> {
        Columns::of_names(FEATURES.iter().copied(), names).map(Self)
    }

    /// The features, in order: name, unit, least and greatest value.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        self.0.described()
    }

    /// How many of [`Candidate::values`] the features need: all up to the last that is taken.
    pub fn needs(&self) -> usize {
        self.0.values().map(|position| position + 1).max().unwrap_or_default()
    }

    /// Appends the features of a candidate to `row`, from its [`Candidate::values`].
    pub fn encode(&self, values: &[f32], row: &mut Vec<f32>) {
        self.0.append(row, |position| values.get(position).copied().map_or(0.0, f64::from));
    }
}

/// The candidate with the highest score among those allowed, the first of equals; `None` when none
/// is allowed or every allowed score is NaN.
pub fn choose(scores: &[f32], allowed: impl Fn(usize) -> bool) -> Option<usize> {
    let usable = scores.iter().copied().enumerate();
    let usable = usable.filter(|&(index, score)| allowed(index) && !score.is_nan());
    let better = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    usable.reduce(better).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_a_candidate_are_in_the_order_of_its_values() {
        for (position, feature) in FEATURES.iter().enumerate() {
            assert_eq!(feature.value, position, "{}", feature.name);
        }
        let encoder = CandidateEncoder::of_names(&["is_current", "expected_cost"]);
        let mut row = Vec::new();
        let candidate = Candidate { is_current: true, cost_usd: 0.5, ..Candidate::default() };
        let needs = encoder.map(|encoder| {
            encoder.encode(&candidate.values(), &mut row);
            encoder.needs()
        });
        assert_eq!((needs, row), (Ok(10), vec![1.0, 0.5]));
        assert!(StateEncoder::of_names(&STATE_FEATURES).is_ok());
    }

    #[test]
    fn the_first_of_the_highest_allowed_scores_is_chosen() {
        let scores = [1.0, 3.0, 3.0, f32::NAN];
        assert_eq!(choose(&scores, |_| true), Some(1));
        assert_eq!(choose(&scores, |index| index != 1), Some(2));
        assert_eq!(choose(&scores, |index| index == 3), None);
    }
}
