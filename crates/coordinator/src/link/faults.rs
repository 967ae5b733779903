//! Faults of rows that no layer answered.

use std::time::Duration;

use strata_domain::FaultKind;
use strata_wire::Fault;
use tonic::Status;

/// No replica is up.
pub(super) fn unreachable(layer: &str) -> Fault {
    let message = format!("the {layer} layer cannot be reached; try again");
    Fault::new(FaultKind::Unavailable, message).retry_after(Duration::from_millis(200))
}

/// The queue of the least busy replica is full.
pub(super) fn queue_full(layer: &str, waiting: usize) -> Fault {
    let message = format!("{waiting} rows wait for the {layer} layer");
    Fault::new(FaultKind::ResourceExhausted, message).retry_after(Duration::from_millis(50))
}

/// The deadline of the row passed.
pub(super) fn spent(layer: &str) -> Fault {
    let message = format!("the time allowed was spent before the {layer} layer answered");
    Fault::new(FaultKind::DeadlineExceeded, message)
}

/// The stream broke after the row was sent.
pub(super) fn lost(layer: &str, status: &Status) -> Fault {
    let message = format!("the {layer} layer went away: {}", status.message());
    Fault::new(FaultKind::Unavailable, message).retry_after(Duration::from_millis(100))
}
