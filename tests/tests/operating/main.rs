//! What operators rely on: settings, health, metrics, logs, traces, drains, and the ways in which
//! the services can be deployed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod drain;
mod health;
mod metrics_and_logs;
mod one_process;
mod settings;
mod traces;
mod unix_sockets;
