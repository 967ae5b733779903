//! What became of a replay, counted and shown.

mod report;
mod tally;

pub(crate) use tally::Tally;
