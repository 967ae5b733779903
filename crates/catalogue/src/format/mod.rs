//! The YAML form of a catalogue.
//!
//! Maps are keyed by name, so that an overlay can change one entry by naming it. Every group of
//! figures names its source; the sources carry the dates.

mod billing;
mod platform;
mod region;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    billing::{BilledMemoryEntry, BillingEntry, NodeEntry, PriceEntry, RegionPriceEntry},
    platform::{ColdStartEntry, MemorySizes, PlatformEntry},
    region::{AreaEntry, GridEntry, RegionEntry, RoundTripsEntry},
};

/// The format that this version reads.
pub const FORMAT: u32 = 1;

/// A whole catalogue: what an overlay, applied to what it extends, must result in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of the format: 1.
    pub format: u32,
    /// Name of the catalogue: letters, digits, `.`, `_` and `-`, at most 64.
    pub name: String,
    /// The platform that run times are taken to be observed on when nothing else is known.
    pub reference_platform: String,
    /// The area that is the home of functions of which nothing is known.
    pub default_area: String,
    /// Where the figures come from, by the name under which groups of figures refer to them.
    pub sources: BTreeMap<String, SourceEntry>,
    /// What applies to all platforms of a provider, by its name.
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderEntry>,
    /// Function services, by name.
    pub platforms: BTreeMap<String, PlatformEntry>,
    /// Regions, by `provider/region` in the provider's own name.
    pub regions: BTreeMap<String, RegionEntry>,
    /// Areas of callers, by name. A region belongs to at most one.
    pub areas: BTreeMap<String, AreaEntry>,
    /// Electricity grids, by zone.
    pub grids: BTreeMap<String, GridEntry>,
    /// Shapes of a day of a grid: the mean of each UTC hour over the mean of all hours.
    #[serde(default)]
    pub hours: BTreeMap<String, Vec<f64>>,
    /// Round trips between regions.
    pub round_trips: RoundTripsEntry,
}

/// Where figures come from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// What it is: a document, a data set, a measurement, a contract.
    pub text: String,
    /// The day on which the figures were right, as `2026-11-25`.
    pub date: String,
    /// The licence of the figures, where they are more than single facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// What applies to all platforms of a provider.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// Share by which every price of its platforms is lowered, 0 to below 1: 0.17 for 17 %.
    #[serde(default)]
    pub discount: f64,
}
