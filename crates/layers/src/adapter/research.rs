//! What versions 1 and 2 of the strategic and the tactical model need: a catalogue that has the
//! placements of the research framework, and the names of these.

use std::sync::Arc;

use strata_domain::{Catalogue, FunctionFacts};
use strata_policy::research::{Grid, ResearchLocation};
use strata_wire::{Violations, facts_location_from_pb, pb};

use super::schema::ModelMismatch;

/// A catalogue, and where it has the placements of the research framework.
#[derive(Debug)]
pub(super) struct ResearchPlaces {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) grid: Grid,
}

impl ResearchPlaces {
    /// Finds them in the layer's catalogue.
    pub(super) fn of(catalogue: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        let grid = Grid::of(catalogue).map_err(ModelMismatch::Catalogue)?;
        Ok(Self { catalogue: Arc::clone(catalogue), grid })
    }

    /// Where a function is.
    pub(super) fn locate(
        &self,
        message: Option<&pb::FunctionFacts>,
        violations: &mut Violations,
    ) -> Option<ResearchLocation> {
        let location = facts_location_from_pb(&self.catalogue, message?, violations);
        Some(self.grid.locate(&self.catalogue, &location))
    }
}

/// The expected objective of a placement that is not listed: as low as one where the function
/// cannot run.
pub(super) fn nothing_expected(facts: &FunctionFacts) -> f32 {
    facts.objective.infeasible_reward() as f32
}
