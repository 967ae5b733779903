//! The figures of a run: samples of each round, targets, the machine, and the report.

mod machine;
mod report;
mod samples;
mod targets;

pub(crate) use machine::Machine;
pub(crate) use report::Report;
pub(crate) use samples::{Figures, per_answer_us};
