//! What `strata bench` measures, and its tables.

mod echo;
mod report;

pub(crate) use echo::EchoProcess;
pub(crate) use report::{Case, ProcessMemory, Report};
