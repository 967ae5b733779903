//! The tactical layer's model: a logit for each pair of region and memory tier, on a provider
//! already chosen.

pub use super::action::Action;
use super::{
    features::{SituationValue, all_features},
    grid::{Area, Provider},
    mask::Mask,
    situation::Situation,
};
use crate::feature::{Columns, SchemaError};

/// Name of the model's input.
pub const INPUT: &str = "state";
/// Name of the model's first output: `[batch, ACTIONS]`.
pub const LOGITS: &str = "logits";
/// Name of the model's second output: `[batch, 1]`.
pub const VALUE: &str = "value";
/// How many actions there are.
pub const ACTIONS: usize = Action::COUNT;

const _: () = assert!(ACTIONS <= 32, "an action mask has 32 bits, here and in tactical.proto");

/// Which pairs may be chosen, by [`Action::index`].
pub type ActionMask = Mask<ACTIONS>;

/// The features of the research framework's state, in its order.
pub const DEFAULT_FEATURES: [&str; 11] = [
    "duration",
    "memory_mb",
    "invocation_rate",
    "cold_start_rate",
    "avg_duration",
    "std_duration",
    "is_bursty",
    "provider_aws",
    "provider_azure",
    "provider_gcp",
    "current_region",
];

/// The features of version 2: the research framework's, where the function and its callers are, and
/// the expected objective of each region and memory size, which come last, in the order of
/// [`Action::index`].
///
/// A new provider adds three names to it, a new region or memory size one for each new action.
pub const EXTENDED_FEATURES: [&str; 12 + 3 * Provider::COUNT + Area::COUNT + ACTIONS] = [
    "duration",
    "memory_mb",
    "invocation_rate",
    "cold_start_rate",
    "avg_duration",
    "std_duration",
    "is_bursty",
    "provider_aws",
    "provider_azure",
    "provider_gcp",
    "current_region",
    "inter_arrival_time",
    "runs_on_aws",
    "runs_on_azure",
    "runs_on_gcp",
    "home_us_east_1",
    "home_us_west_2",
    "home_eu_west_1",
    "home_ap_southeast_1",
    "data_at_aws",
    "data_at_azure",
    "data_at_gcp",
    "request_bytes",
    "response_bytes",
    "cpu_share",
    "expected_objective_us_east_1_128",
    "expected_objective_us_east_1_256",
    "expected_objective_us_east_1_512",
    "expected_objective_us_east_1_1024",
    "expected_objective_us_east_1_2048",
    "expected_objective_us_east_1_3008",
    "expected_objective_us_west_2_128",
    "expected_objective_us_west_2_256",
    "expected_objective_us_west_2_512",
    "expected_objective_us_west_2_1024",
    "expected_objective_us_west_2_2048",
    "expected_objective_us_west_2_3008",
    "expected_objective_eu_west_1_128",
    "expected_objective_eu_west_1_256",
    "expected_objective_eu_west_1_512",
    "expected_objective_eu_west_1_1024",
    "expected_objective_eu_west_1_2048",
    "expected_objective_eu_west_1_3008",
    "expected_objective_ap_southeast_1_128",
    "expected_objective_ap_southeast_1_256",
    "expected_objective_ap_southeast_1_512",
    "expected_objective_ap_southeast_1_1024",
    "expected_objective_ap_southeast_1_2048",
    "expected_objective_ap_southeast_1_3008",
];

/// Turns facts and a provider into the rows of one model.
#[derive(Debug, Clone)]
pub struct Encoder(Columns<SituationValue>);

impl Encoder {
    /// An encoder for the features a manifest names: (name, unit), in order.
    pub fn resolve<'w>(
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        Columns::resolve(all_features(), wanted).map(Self)
    }

    /// An encoder for features by name, whatever their units.
    pub fn of_names(names: &[&str]) -> Result<Self, SchemaError> {
        Columns::of_names(all_features(), names).map(Self)
    }

    /// The features, in order: name, unit, least and greatest value.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        self.0.described()
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.0.len()
    }

    /// Whether a feature is an expected objective.
    pub fn needs_expected(&self) -> bool {
        self.features().any(|(name, ..)| name.starts_with("expected_objective"))
    }

    /// Appends the row of a function to `rows`.
    pub fn encode(&self, situation: &Situation<'_>, rows: &mut Vec<f32>) {
        self.0.append(rows, |value| value.of(situation));
    }
}

/// The pair with the highest logit among those allowed; `None` when there is none.
pub fn choose(logits: &[f32], mask: ActionMask) -> Option<Action> {
    mask.best(logits).and_then(Action::from_index)
}
