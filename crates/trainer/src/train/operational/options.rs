//! Budgets and settings of the operational layer.

use std::{collections::BTreeMap, num::NonZeroUsize};

use strata_runtime::Scalar;

use crate::{
    contract::FeatureSet,
    fit::{Fitted, Schedule},
    train::run::entries,
};

/// Default number of training windows of version 1.
const RESEARCH_WINDOWS: usize = 200_000;
/// Default number of training windows of version 2.
const EXTENDED_WINDOWS: usize = 400_000;

/// Budgets and settings of the operational layer.
#[derive(Debug, Clone, Copy, PartialEq, clap::Args)]
pub struct OperationalOptions {
    /// Training windows, drawn from the training split [default: 200000 for version 1, of which
    /// three quarters have a call; 400000 for version 2, of which half have a call]
    #[arg(long)]
    pub lstm_windows: Option<usize>,
    /// Most passes over the training windows.
    #[arg(long, default_value_t = 6)]
    pub lstm_epochs: usize,
    /// Passes without a better validation loss before training stops.
    #[arg(long, default_value_t = 3)]
    pub lstm_patience: usize,
    /// Windows per gradient step.
    #[arg(long, default_value = "128")]
    pub lstm_batch: NonZeroUsize,
    /// Learning rate of the first step.
    #[arg(long, default_value_t = 2e-3)]
    pub lstm_learning_rate: f64,
    /// Version 1: weight of the squared error of a forecast that is too low; too high counts 1.
    ///
    /// The research framework used 5, which raises every uncertain forecast. With 2 already, the
    /// forecast of the rate is no better than the moving average on functions that the network has
    /// not seen. For a reserve, use the bound of version 2.
    #[arg(long, default_value_t = 1.0)]
    pub lstm_below: f64,
    /// Version 2: share of the validation windows in which the next step does not exceed the bound.
    ///
    /// The default is above the 0.95 that is wanted on functions that the network has not seen.
    #[arg(long, default_value_t = 0.96, value_parser = share)]
    pub bound_level: f64,
}

/// Parses a share strictly between 0 and 1.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    let inside = share > 0.0 && share < 1.0;
    inside.then_some(share).ok_or_else(|| "must be above 0 and below 1".to_owned())
}

impl OperationalOptions {
    /// The number of training windows.
    pub(super) fn windows(&self, features: FeatureSet) -> usize {
        self.lstm_windows.unwrap_or(match features {
            FeatureSet::Research => RESEARCH_WINDOWS,
            FeatureSet::Extended => EXTENDED_WINDOWS,
        })
    }

    pub(super) fn schedule(&self, seed: u64) -> Schedule {
        Schedule {
            seed,
            epochs: self.lstm_epochs,
            patience: self.lstm_patience,
            batch: self.lstm_batch,
            learning_rate: self.lstm_learning_rate,
        }
    }
}

/// The manifest's entries for a fit to so many `windows`.
pub(super) fn training(
    windows: usize,
    schedule: &Schedule,
    fitted: &Fitted,
) -> BTreeMap<String, Scalar> {
    entries([
        ("windows", (windows as i64).into()),
        ("epochs", (fitted.validation.len() as i64).into()),
        ("best_epoch", (fitted.best as i64 + 1).into()),
        ("batch", (schedule.batch.get() as i64).into()),
        ("learning_rate", schedule.learning_rate.into()),
        ("optimiser", "Adam, cosine decay to a twentieth".into()),
    ])
}
