//! What the repository says of itself: the graph of its crates, its documents and the files they
//! use.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod documents;
mod graph;
mod layout;
mod links;
mod load;
mod metrics;
