//! The programs `strata` and `strata-bench`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod catalogue;
mod decide;
mod replay;
mod report;
mod up;
