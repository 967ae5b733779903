//! The program `strata`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod decide;
mod replay;
mod report;
mod up;
