//! From a request to a question: every field is checked, every empty one is filled in.

mod candidates;
mod facts;
mod request;
mod telemetry;
#[cfg(test)]
mod tests;

pub(crate) use candidates::Candidates;
pub(crate) use request::{MAX_CORRELATION_ID, Question};
