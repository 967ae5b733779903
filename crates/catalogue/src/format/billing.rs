//! Billing and prices.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an invocation is billed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BillingEntry {
    /// Which memory.
    pub memory: BilledMemoryEntry,
    /// The step in MB in which used memory is billed. Only with `memory: used`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_step_mb: Option<f64>,
    /// The most used memory that is billed, in MB. Only with `memory: used`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_most_mb: Option<f64>,
    /// A run is rounded up to a multiple of this many ms.
    pub rounding_ms: f64,
    /// At least this many ms are billed.
    #[serde(default)]
    pub minimum_ms: f64,
    /// Memory in MB that is billed for a size that the platform does not sell, by that size.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub billed_mb: BTreeMap<u32, f64>,
    /// The source.
    pub source: String,
}

/// The memory that is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BilledMemoryEntry {
    /// What is configured.
    Configured,
    /// What is used, in steps of `used_step_mb`: at least one, at most `used_most_mb`.
    Used,
}

/// What a platform charges: rates, or the price of a node of an own cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceEntry {
    /// USD per request.
    #[serde(default)]
    pub request_usd: f64,
    /// USD per GB-second of billed memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gb_second_usd: Option<f64>,
    /// USD per vCPU-second. Empty: processors are part of the price of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu_second_usd: Option<f64>,
    /// A node of an own cluster; in place of the two rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeEntry>,
    /// The source.
    pub source: String,
}

/// What one region charges differently. A rate that it does not name is the platform's.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionPriceEntry {
    /// USD per request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_usd: Option<f64>,
    /// USD per GB-second of billed memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gb_second_usd: Option<f64>,
    /// USD per vCPU-second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu_second_usd: Option<f64>,
    /// The source. Empty: the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A node of an own cluster. A GB-second costs the price of a second of the node over its memory,
/// divided by the share of it that is used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// USD per hour.
    pub usd_per_hour: f64,
    /// Memory that functions can use, in GB.
    pub memory_gb: f64,
    /// Mean share of that memory that running functions use, above 0 to 1.
    pub utilisation: f64,
}
