//! The Open Inference Protocol.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod requests;
mod tensors;
