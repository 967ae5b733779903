//! The layers, asked without a coordinator: calls, frames of rows, and how the model is run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod candidates;
mod fairness;
mod frames;
mod inference_settings;
mod validation;
