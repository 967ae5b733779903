//! What each provider gives and bills for a memory size.

use crate::placement::MemoryTier;

/// Memory of a consumption-plan instance: the limit of a function on Azure (Microsoft, "Azure
/// Functions scale and hosting", consumption plan: 1.5 GB and one core per instance).
pub(super) const AZURE_INSTANCE_MB: f64 = 1536.0;

/// Azure bills memory in steps of this many MB, and never less than one step
/// (`MicrosoftDocs/azure-docs`, `articles/azure-functions/functions-consumption-costs.md`).
const AZURE_MEMORY_STEP_MB: f64 = 128.0;

/// GHz that GCP gives each memory tier (price table of Cloud Functions, 1st generation: npm
/// package `firebase-tools` 15.34.2, price table of the functions deployer). 3008 MB is billed as
/// 4096 MB.
pub(super) const GCP_GHZ: [f64; MemoryTier::COUNT] = [0.2, 0.4, 0.8, 1.4, 2.4, 4.8];

/// Memory GCP sells for each tier, in MB: there is no 3008, the next size up is billed.
pub(super) const GCP_SOLD_MB: [f64; MemoryTier::COUNT] =
    [128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Memory in MB that Azure bills for a run that uses `memory_used_mb`: rounded up to 128 MB, at
/// least 128, at most 1536.
pub(super) fn azure_billed_megabytes(memory_used_mb: f64) -> f64 {
    let steps = (memory_used_mb.max(0.0) / AZURE_MEMORY_STEP_MB).ceil();
    (steps * AZURE_MEMORY_STEP_MB).clamp(AZURE_MEMORY_STEP_MB, AZURE_INSTANCE_MB)
}
