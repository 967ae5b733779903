//! Faults of rows that the model did not answer.

use std::time::Duration;

use strata_domain::FaultKind;
use strata_runtime::{InferError, RowStatus};
use strata_wire::Fault;

/// Small models run the rows of a full queue within this time.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(20);

/// The row holds no request.
pub(crate) fn missing_request() -> Fault {
    let mut violations = strata_wire::Violations::new();
    violations.add("request", "must be given");
    violations.into_fault()
}

/// The deadline of the row passed before its run began.
pub(crate) fn expired() -> Fault {
    Fault::new(FaultKind::DeadlineExceeded, "the time allowed was spent before the model ran")
}

/// The queue is full.
pub(crate) fn queue_full(rows: usize, layer: &str) -> Fault {
    let message = format!("{rows} rows wait for the {layer} layer");
    Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
}

/// The answer to the row was lost, which is a bug of this program.
pub(crate) fn lost() -> Fault {
    Fault::new(FaultKind::Internal, "the question was lost")
}

/// The fault of a row that the model did not run.
pub(crate) fn check(status: Option<&RowStatus>) -> Result<(), Fault> {
    match status {
        Some(RowStatus::Done) => Ok(()),
        Some(RowStatus::Expired) => Err(expired()),
        Some(RowStatus::NonFinite) => {
            let message = "the model gave a number that is not finite";
            Err(Fault::new(FaultKind::Internal, message))
        }
        None => Err(Fault::new(FaultKind::Internal, "the model gave too few rows")),
    }
}

/// The fault of a batch that the model did not run.
pub(crate) fn of(error: &InferError) -> Fault {
    let message = error.to_string();
    match error {
        InferError::QueueFull { .. }
        | InferError::TooManyRows { .. }
        | InferError::CallerFull { .. } => {
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        }
        InferError::WouldBeLate { retry_after, .. } => {
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(*retry_after)
        }
        InferError::Stopped => Fault::new(FaultKind::Unavailable, "the layer is shutting down"),
        _ => {
            tracing::error!(error = message, "inference failed");
            Fault::new(FaultKind::Internal, message)
        }
    }
}
