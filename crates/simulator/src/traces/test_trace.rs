//! Small traces for tests, and a catalogue.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};

use strata_catalogue::{RESEARCH, built_in};
use strata_domain::{Catalogue, FunctionId};

use super::{
    percentiles::Percentiles,
    trace::{Recorded, Trace, TracedFunction},
    trigger::Trigger,
};

/// A function that runs 50 to 150 ms and uses 90 to 110 MB.
pub(crate) fn function(name: &str, trigger: Trigger, per_minute: Vec<u32>) -> TracedFunction {
    TracedFunction::new(Recorded {
        id: FunctionId::new("app", name).unwrap(),
        trigger: Some(trigger),
        per_minute,
        duration_ms: Percentiles::new(vec![(0.0, 50.0), (1.0, 150.0)]).unwrap(),
        memory_mb: Percentiles::new(vec![(0.01, 90.0), (1.0, 110.0)]).unwrap(),
    })
}

/// A trace that begins at midnight, as long as its first function.
pub(crate) fn trace(functions: Vec<TracedFunction>) -> Trace {
    let minutes = functions[0].per_minute.len();
    Trace::new(functions, minutes, 0)
}

/// The catalogue of the research framework.
pub(crate) fn research() -> Arc<Catalogue> {
    static CATALOGUE: LazyLock<Arc<Catalogue>> =
        LazyLock::new(|| Arc::new(built_in(RESEARCH).catalogue));
    Arc::clone(&CATALOGUE)
}
