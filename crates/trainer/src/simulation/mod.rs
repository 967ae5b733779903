//! The networks in the simulator: as learners in its environments, and as policies that it
//! evaluates.

mod environments;
mod policies;
mod research;

use std::sync::Arc;

use anyhow::Result;
use strata_catalogue::{RESEARCH, built_in};
use strata_simulator::{Trace, World, WorldOptions};

pub use environments::{StrategicEnvironment, StrategicParts, TacticalEnvironment};
pub use policies::{Evaluated, StrategicPolicy, TacticalPolicy};
pub use research::Research;

/// The bundled trace on the catalogue of the research framework; only its first `functions` if
/// given.
pub(crate) fn bundled_world(functions: Option<usize>) -> Result<World> {
    let mut trace = Trace::bundled()?;
    if let Some(count) = functions {
        trace = trace.with_only(0..count.min(trace.functions().len()));
    }
    let catalogue = Arc::new(built_in(RESEARCH).catalogue);
    Ok(World::new(trace, WorldOptions::default(), catalogue))
}
