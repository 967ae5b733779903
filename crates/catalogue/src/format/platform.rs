//! Platforms.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::Architecture;

use super::billing::{BillingEntry, PriceEntry, RegionPriceEntry};

/// A function service of a provider on one processor architecture.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlatformEntry {
    /// The provider: `aws`, or the name of an own cluster.
    pub provider: String,
    /// The processors it runs functions on.
    pub architecture: ArchitectureName,
    /// The memory sizes that are chosen from, in MB: a list, or a range with a step.
    pub memory_mb: MemorySizes,
    /// The processors that go with a memory size.
    pub processors: ProcessorsEntry,
    /// How much longer than on AWS Lambda at 2048 MB a run takes.
    pub slowdown: SlowdownEntry,
    /// How an invocation is billed.
    pub billing: BillingEntry,
    /// What it charges where a region does not say otherwise.
    pub price: PriceEntry,
    /// The regions it is sold in, by the provider's own names, with what they charge differently.
    pub regions: BTreeMap<String, Option<RegionPriceEntry>>,
    /// When instances are removed and how long a new one takes.
    pub cold_start: ColdStartEntry,
    /// The longest run that is allowed, in seconds. Empty: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_run_s: Option<f64>,
    /// What its machines draw and took to make.
    pub machines: MachinesEntry,
}

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArchitectureName {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

impl From<ArchitectureName> for Architecture {
    fn from(name: ArchitectureName) -> Self {
        match name {
            ArchitectureName::X86_64 => Self::X86_64,
            ArchitectureName::Arm64 => Self::Arm64,
        }
    }
}

/// Memory sizes in MB.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a list of sizes in MB, or a map of min, max and step")]
pub enum MemorySizes {
    /// One by one, ascending.
    List(Vec<u32>),
    /// From a least to a greatest size.
    Range(MemoryRange),
}

/// Memory sizes from a least to a greatest one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryRange {
    /// The smallest size in MB.
    pub min: u32,
    /// The largest size in MB.
    pub max: u32,
    /// The step between sizes in MB.
    pub step: u32,
}

/// The processors that go with a memory size.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessorsEntry {
    /// vCPUs by memory size in MB; sizes in between are interpolated, those beyond are in
    /// proportion.
    pub vcpus: BTreeMap<u32, f64>,
    /// Memory in MB of an instance of one core on which several invocations run at once. Empty:
    /// each invocation has processors of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_instance_mb: Option<f64>,
    /// The source.
    pub source: String,
}

/// How much longer than on AWS Lambda at 2048 MB a run takes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowdownEntry {
    /// Of the part that waits for the processor, by memory size in MB; sizes in between are
    /// interpolated by the logarithms, those beyond take the nearest.
    pub cpu: BTreeMap<u32, f64>,
    /// Of the part that waits for anything else.
    pub wait: f64,
    /// The source.
    pub source: String,
}

/// When instances are removed and how long a new one takes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColdStartEntry {
    /// Mean time to get an instance, before any of the function's own code runs, in ms.
    pub mean_ms: f64,
    /// Its median in ms.
    pub median_ms: f64,
    /// Its 95th percentile in ms.
    pub p95_ms: f64,
    /// Shares of the idle instances that are removed, by the minute of idling after which they are;
    /// together 1.
    pub removed: Vec<(f64, f64)>,
    /// The source.
    pub source: String,
}

/// What machines draw and took to make.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachinesEntry {
    /// Watts per vCPU when idle.
    pub idle_watts: f64,
    /// Watts per vCPU at full load.
    pub full_watts: f64,
    /// gCO2e for making the server, per vCPU and hour of its life.
    pub embodied_g_per_vcpu_hour: f64,
    /// The source.
    pub source: String,
}
