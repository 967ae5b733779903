//! Trains the operational layer.

mod examples;
mod extended;
mod options;
mod research;
mod scores;
mod windows;

use anyhow::Result;

use super::run::Run;
use crate::{contract::FeatureSet, report::ForecastTable};

pub use options::OperationalOptions;

/// Trains and publishes the operational layer. Returns the held-out scores over busy windows (those
/// with a call) and over all windows.
///
/// # Errors
/// When training diverges, parity fails or the model cannot be published.
pub fn train(run: &Run, options: &OperationalOptions) -> Result<[ForecastTable; 2]> {
    match run.options.features {
        FeatureSet::Research => research::train(run, options),
        FeatureSet::Extended => extended::train(run, options),
    }
}
