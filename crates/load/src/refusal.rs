//! Refusals of a server, for people to read.

use std::fmt;

use strata_wire::Fault;
use tonic::{Code, Status};

/// A gRPC status as text: the code, the message, and a line for each invalid field.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    fault: Fault,
}

impl Refusal {
    /// The refusal in a status.
    pub fn of(status: Status) -> Self {
        let code = match status.code() {
            // tonic's client reports its own timeout as CANCELLED.
            Code::Cancelled => Code::DeadlineExceeded,
            code => code,
        };
        Self { code, fault: Fault::from(status) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match (self.code, self.fault.message.as_str()) {
            // The answer of a server that does not have the service.
            (Code::Unimplemented, "") => "the server has no such method; is it the right one?",
            (_, message) => message,
        };
        write!(f, "{}: {message}", code_name(self.code))?;
        for violation in &self.fault.violations {
            write!(f, "\n  {}: {}", violation.field, violation.description)?;
        }
        if let Some(pause) = self.fault.retry_after {
            write!(f, "\n  try again after {}", humantime::format_duration(pause))?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// The name of a code in the gRPC documentation, such as `NOT_FOUND`.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The outcome of a call as loads count it: nothing, or the code of the error.
///
/// # Errors
/// The code of the status.
pub fn outcome<T>(answer: Result<T, Status>) -> Result<(), &'static str> {
    answer.map(drop).map_err(|status| code_name(status.code()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use strata_wire::FieldViolation;

    use super::*;

    #[test]
    fn every_violation_has_a_line() {
        let violation = |field: &str| FieldViolation {
            field: field.to_owned(),
            description: "must be given".to_owned(),
        };
        let fault = Fault::invalid(vec![violation("function"), violation("workload")]);
        let text = Refusal::of(Status::from(fault)).to_string();
        let expected = "INVALID_ARGUMENT: function must be given (and 1 more)\n  \
                        function: must be given\n  workload: must be given";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_server_without_the_service_is_said_to_be_another() {
        let text = Refusal::of(Status::new(Code::Unimplemented, "")).to_string();
        assert_eq!(text, "UNIMPLEMENTED: the server has no such method; is it the right one?");
        let text = Refusal::of(Status::unimplemented("not served")).to_string();
        assert_eq!(text, "UNIMPLEMENTED: not served");
    }

    #[test]
    fn a_timer_of_the_client_is_a_deadline() {
        let text = Refusal::of(Status::cancelled("Timeout expired")).to_string();
        assert_eq!(text, "DEADLINE_EXCEEDED: Timeout expired");
    }

    #[test]
    fn advice_to_wait_is_passed_on() {
        let kind = strata_domain::FaultKind::Unavailable;
        let fault = Fault::new(kind, "no layer").retry_after(Duration::from_millis(1500));
        let text = Refusal::of(Status::from(fault)).to_string();
        assert_eq!(text, "UNAVAILABLE: no layer\n  try again after 1s 500ms");
    }
}
