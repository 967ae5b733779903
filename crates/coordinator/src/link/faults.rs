//! The faults of rows that no layer answers.

use std::time::Duration;

use strata_domain::FaultKind;
use strata_wire::Fault;
use tonic::Status;

/// A row that no replica can take.
pub(super) fn unreachable(layer: &str) -> Fault {
    let message = format!("the {layer} layer cannot be reached; try again");
    Fault::new(FaultKind::Unavailable, message).retry_after(Duration::from_millis(200))
}

/// A row for which the queue of the least busy replica has no room.
pub(super) fn queue_full(layer: &str, waiting: usize) -> Fault {
    let message = format!("{waiting} rows wait for the {layer} layer");
    Fault::new(FaultKind::ResourceExhausted, message).retry_after(Duration::from_millis(50))
}

/// A row whose time is over.
pub(super) fn spent(layer: &str) -> Fault {
    let message = format!("the time allowed was spent before the {layer} layer answered");
    Fault::new(FaultKind::DeadlineExceeded, message)
}

/// A row whose stream broke.
pub(super) fn lost(layer: &str, status: &Status) -> Fault {
    let message = format!("the {layer} layer went away: {}", status.message());
    Fault::new(FaultKind::Unavailable, message).retry_after(Duration::from_millis(100))
}
