//! Serves frames and unary calls, with the same code for all three layers.

pub(crate) mod faults;
mod gather;
#[cfg(test)]
mod gather_tests;
mod rows;
mod service;
mod stream;

pub(crate) use gather::Gatherer;
#[cfg(test)]
pub(crate) use rows::RowsByVersion;
pub(crate) use service::{Asked, Parts, Service, UNARY_BUDGET};
pub(crate) use stream::{MAX_ROWS, ResultStream};
