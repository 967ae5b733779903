//! The traces that are part of the program.

use super::source::{Source, TraceFiles};

macro_rules! bundled {
    ($name:literal) => {
        Source {
            name: $name.to_owned(),
            reader: Box::new(&include_bytes!(concat!("../../data/", $name))[..]),
        }
    };
}

/// A day of the Azure Functions trace of 2019.
pub(super) fn day() -> TraceFiles<'static> {
    TraceFiles {
        invocations: bundled!("azure2019_day_invocations.csv.gz"),
        durations: bundled!("azure2019_day_durations.csv.gz"),
        memory: bundled!("azure2019_day_memory.csv.gz"),
    }
}

/// Eight hours of a working day of the same trace, with applications and triggers.
pub(super) fn eight_hours() -> TraceFiles<'static> {
    TraceFiles {
        invocations: bundled!("azure2019_8h_invocations.csv.gz"),
        durations: bundled!("azure2019_8h_durations.csv.gz"),
        memory: bundled!("azure2019_8h_memory.csv.gz"),
    }
}
