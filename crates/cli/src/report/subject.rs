//! The trace that is replayed, and the models that decide.

use std::path::PathBuf;

use strata_domain::Objective;
use strata_simulator::{Scope, World};

/// What is replayed.
pub(crate) struct Subject {
    /// The name of the trace in the report.
    pub(crate) name: String,
    pub(crate) world: World,
    /// The part of the trace that is replayed.
    pub(crate) scope: Scope,
    pub(crate) objective: Objective,
    /// The directory of the models that answer, for their training curves.
    pub(crate) models: PathBuf,
}
