//! Regions, areas, grids and round trips.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A region of a provider.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionEntry {
    /// Where it is, for people: `Frankfurt`.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Groups of residency that it belongs to, such as `EU` or `US`.
    #[serde(default)]
    pub residency: Vec<String>,
    /// The zone of the electricity grid that feeds it.
    pub grid: String,
    /// Power usage effectiveness of its data centres.
    pub pue: PueEntry,
    /// What it costs to send bytes from it.
    pub egress: EgressEntry,
}

/// Power usage effectiveness: energy of the data centre over that of its machines.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PueEntry {
    /// At least 1.
    pub value: f64,
    /// The source.
    pub source: String,
}

/// USD per GB sent from a region.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressEntry {
    /// To callers on the internet, and to regions of other providers.
    pub internet_usd_per_gb: f64,
    /// To other regions of the provider.
    pub same_provider_usd_per_gb: f64,
    /// To single regions, by `provider/region`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to: BTreeMap<String, f64>,
    /// The source.
    pub source: String,
}

/// An area of callers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AreaEntry {
    /// Regions that are there, by `provider/region`: callers of the area are as far from a region
    /// as these are on average.
    pub regions: Vec<String>,
}

/// Carbon intensity of an electricity grid.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GridEntry {
    /// Mean intensity in gCO2e/kWh.
    pub mean_g_per_kwh: f64,
    /// The shape of its day, by its name under `hours`. Empty: the same at every hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// The source.
    pub source: String,
}

/// Round trips between regions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoundTripsEntry {
    /// Milliseconds within a region.
    pub within_ms: f64,
    /// Measured milliseconds between two regions, by `provider/region` of each, in one of the two
    /// directions.
    #[serde(default)]
    pub measured_ms: BTreeMap<String, BTreeMap<String, f64>>,
    /// Milliseconds at no distance, of the line that is fitted to the measured round trips: for
    /// pairs that were not measured, and callers at a point.
    pub fit_base_ms: f64,
    /// Milliseconds for each km of great-circle distance, of the same line.
    pub fit_ms_per_km: f64,
    /// Median of the absolute error of the fit over the measured pairs, in ms.
    pub fit_error_p50_ms: f64,
    /// 90th percentile of the same, in ms.
    pub fit_error_p90_ms: f64,
    /// The source.
    pub source: String,
}
