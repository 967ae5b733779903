//! Turns a request into a question: checks every field and fills in every empty one.

mod candidates;
mod facts;
mod frontier;
mod limits;
mod request;
mod telemetry;
#[cfg(test)]
mod tests;

pub(crate) use request::{MAX_CORRELATION_ID, Question};
