//! The end of each service: everything accepted is answered, then exit 0; a second signal means
//! now.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod coordinator;
mod layers;

use strata_tests::{Process, eventually, get, metric};

/// Waits until the server has taken `calls` calls of `method`.
fn taken(process: &Process, method: &str, calls: f64) {
    eventually(&format!("{calls} calls of {method}"), || {
        let labels = [("grpc_method", method)];
        let started = metric(&process.metrics(), "grpc_server_started_total", &labels);
        (started >= calls).then_some(())
    });
}

/// Waits until the process says that it is not ready any more.
fn draining(process: &Process) {
    eventually("the drain", || {
        get(process.admin(), "/readyz").filter(|answer| answer.status == 503)
    });
}
