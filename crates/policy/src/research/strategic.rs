//! The strategic layer's model: a Q-value for each provider.

use super::{
    features::{SituationValue, all_features, routed_features},
    grid::{Area, Provider},
    mask::Mask,
    situation::Situation,
};
use crate::feature::{Columns, SchemaError};

/// Name of the model's input.
pub const INPUT: &str = "state";
/// Name of the model's output: `[batch, ACTIONS]`.
pub const OUTPUT: &str = "q_values";
/// How many actions there are.
pub const ACTIONS: usize = Provider::COUNT;

/// Which providers may be chosen, by [`Provider::index`].
pub type ProviderMask = Mask<ACTIONS>;

/// The features of the research framework's state, in its order: ten of the function, four of its
/// application.
pub const DEFAULT_FEATURES: [&str; 14] = [
    "hour",
    "day_of_week",
    "is_weekend",
    "is_business_hours",
    "invocation_rate",
    "is_bursty",
    "avg_duration",
    "avg_cost",
    "avg_carbon",
    "memory_mb",
    "app_cold_start_rate",
    "app_sla_violation_rate",
    "app_avg_invocation_rate",
    "app_is_bursty",
];

/// The features of version 2: the research framework's, where the function and its callers are, and
/// the best expected objective on each provider, which come last, in the order of
/// [`Provider::index`].
///
/// A new provider adds three names to it, a new region one.
pub const EXTENDED_FEATURES: [&str; 20 + 3 * Provider::COUNT + Area::COUNT] = [
    "hour",
    "day_of_week",
    "is_weekend",
    "is_business_hours",
    "invocation_rate",
    "is_bursty",
    "avg_duration",
    "avg_cost",
    "avg_carbon",
    "memory_mb",
    "inter_arrival_time",
    "std_duration",
    "cold_start_rate",
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
    "app_cold_start_rate",
    "app_sla_violation_rate",
    "app_avg_invocation_rate",
    "app_is_bursty",
    "expected_objective_aws",
    "expected_objective_azure",
    "expected_objective_gcp",
];

/// Turns facts into the rows of one model.
#[derive(Debug, Clone)]
pub struct Encoder(Columns<SituationValue>);

impl Encoder {
    /// An encoder for the features a manifest names: (name, unit), in order.
    pub fn resolve<'w>(
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        Self::not_too_early(Columns::resolve(all_features(), wanted)?)
    }

    /// An encoder for features by name, whatever their units.
    pub fn of_names(names: &[&str]) -> Result<Self, SchemaError> {
        Self::not_too_early(Columns::of_names(all_features(), names)?)
    }

    fn not_too_early(columns: Columns<SituationValue>) -> Result<Self, SchemaError> {
        let is_early = |name: &&str| routed_features().any(|routed| routed.name == *name);
        let early = columns.described().map(|(name, ..)| name).find(is_early);
        match early {
            Some(name) => Err(SchemaError::TooEarly { name: name.to_owned() }),
            None => Ok(Self(columns)),
        }
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

/// The provider with the highest Q-value among those allowed; `None` when there is none.
pub fn choose(q_values: &[f32], mask: ProviderMask) -> Option<Provider> {
    mask.best(q_values).and_then(Provider::from_index)
}
