use strata_domain::{Catalogue, Placement, Speed};

use super::{grid::Grid, options::WorldOptions};
use crate::traces::Trace;

/// What is the same for every function of a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'w> {
    pub(super) catalogue: &'w Catalogue,
    pub(super) trace: &'w Trace,
    pub(super) grid: &'w Grid,
    /// Where the run times of the trace were observed.
    pub(super) observed_on: Placement,
    pub(super) options: WorldOptions,
}

impl Setting<'_> {
    /// How many times longer a run takes on `placement` than it was observed.
    pub(super) fn run_time_factor(&self, placement: Placement, cpu_share: f64) -> f64 {
        self.speed(placement).run_time_factor(self.speed(self.observed_on), cpu_share)
    }

    fn speed(&self, placement: Placement) -> Speed {
        let platform = self.catalogue.platform(placement.platform);
        platform.speed(&platform.size(placement.memory_mb))
    }
}
