//! The mean over the end of a fit.

use anyhow::Result;

use crate::fit::state::FitState;

/// Part of a fit after which values count.
const FROM: f64 = 0.9;

/// The mean of a value over the last tenth of a fit.
#[derive(Debug, Default)]
pub(super) struct RecentMean {
    sum: f64,
    count: u32,
}

impl RecentMean {
    /// Adds a value at the part `done` of the fit, 0 to 1.
    pub(super) fn add(&mut self, done: f64, value: f64) {
        if done >= FROM {
            self.sum += value;
            self.count += 1;
        }
    }

    /// The mean; 0 when nothing was added.
    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }

    pub(super) fn save(&self, state: &mut FitState) {
        state.numbers.insert("recent.sum".to_owned(), self.sum);
        state.numbers.insert("recent.count".to_owned(), f64::from(self.count));
    }

    pub(super) fn restore(&mut self, state: &FitState) -> Result<()> {
        self.sum = state.number("recent.sum")?;
        self.count = u32::try_from(state.count("recent.count")?)?;
        Ok(())
    }
}
