//! Recorded workloads: their file formats, what they say of functions, and what is assumed where
//! they say nothing. Nothing here places a function or draws an invocation.

mod attributes;
mod bundled;
mod calls;
mod counts;
mod csv_file;
mod error;
mod locate;
mod open;
mod percentiles;
mod source;
mod split;
#[cfg(test)]
pub(crate) mod test_trace;
mod trace;
mod trigger;

pub(crate) use self::attributes::Assumptions;
pub use self::{
    attributes::Attributes,
    error::TraceError,
    percentiles::Percentiles,
    source::{Source, TraceFiles},
    split::{Cohort, Scope, Split},
    trace::{Trace, TracedFunction, observed_on},
    trigger::Trigger,
};
