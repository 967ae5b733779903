//! The networks in the simulator: as learners in its environments, and as policies that it
//! evaluates.

mod environments;
mod policies;

use anyhow::Result;
use strata_simulator::Trace;

pub use environments::{StrategicEnvironment, StrategicParts, TacticalEnvironment};
pub use policies::{Evaluated, StrategicPolicy, TacticalPolicy};

/// The bundled trace; only its first `functions` if given.
pub(crate) fn bundled_trace(functions: Option<usize>) -> Result<Trace> {
    let trace = Trace::bundled()?;
    Ok(match functions {
        Some(count) => trace.with_only(0..count.min(trace.functions().len())),
        None => trace,
    })
}
