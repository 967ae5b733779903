use std::{fmt, time::Duration};

use strata_domain::FaultKind;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::pb;

/// Why a request was not answered: a status of a unary call, or a fault of one item on a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Tells a person what went wrong and how to resolve it.
    pub message: String,
    /// The fields that break the contract; empty unless the kind is `InvalidArgument`.
    pub violations: Vec<FieldViolation>,
    /// Delay before another attempt is useful.
    pub retry_after: Option<Duration>,
}

/// A field that breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field, such as `telemetry[3].cpu_util`.
    pub field: String,
    /// What is wrong with the value.
    pub description: String,
}

impl Fault {
    /// A fault without details.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), violations: Vec::new(), retry_after: None }
    }

    /// A fault for a request whose fields break the contract.
    pub fn invalid(violations: Vec<FieldViolation>) -> Self {
        Self::invalid_and_more(violations, 0)
    }

    /// As [`invalid`](Self::invalid), with the number of violations that are not listed.
    pub(crate) fn invalid_and_more(violations: Vec<FieldViolation>, unlisted: usize) -> Self {
        let message = match violations.as_slice() {
            [] => "the request is invalid".to_owned(),
            [first, rest @ ..] => match (rest.len() + unlisted, unlisted) {
                (0, _) => format!("{} {}", first.field, first.description),
                (more, 0) => format!("{} {} (and {more} more)", first.field, first.description),
                (more, unlisted) => format!(
                    "{} {} (and {more} more, {unlisted} of them not listed)",
                    first.field, first.description
                ),
            },
        };
        Self { kind: FaultKind::InvalidArgument, message, violations, retry_after: None }
    }

    /// Adds the delay before another attempt is useful.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Fault {}

/// The only table of kinds of fault, their gRPC codes and the contract's own enum.
const TABLE: [(FaultKind, Code, pb::FaultKind); FaultKind::ALL.len()] = [
    (FaultKind::InvalidArgument, Code::InvalidArgument, pb::FaultKind::InvalidArgument),
    (FaultKind::DeadlineExceeded, Code::DeadlineExceeded, pb::FaultKind::DeadlineExceeded),
    (FaultKind::NotFound, Code::NotFound, pb::FaultKind::NotFound),
    (FaultKind::ResourceExhausted, Code::ResourceExhausted, pb::FaultKind::ResourceExhausted),
    (FaultKind::FailedPrecondition, Code::FailedPrecondition, pb::FaultKind::FailedPrecondition),
    (FaultKind::Unimplemented, Code::Unimplemented, pb::FaultKind::Unimplemented),
    (FaultKind::Unavailable, Code::Unavailable, pb::FaultKind::Unavailable),
    (FaultKind::Internal, Code::Internal, pb::FaultKind::Internal),
];

fn row(kind: FaultKind) -> (Code, pb::FaultKind) {
    TABLE
        .into_iter()
        .find(|(known, ..)| *known == kind)
        .map_or((Code::Internal, pb::FaultKind::Internal), |(_, code, wire)| (code, wire))
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let mut details = ErrorDetails::new();
        if !fault.violations.is_empty() {
            let violations = fault.violations.into_iter();
            details.set_bad_request(
                violations
                    .map(|v| tonic_types::FieldViolation::new(v.field, v.description))
                    .collect::<Vec<_>>(),
            );
        }
        if fault.retry_after.is_some() {
            details.set_retry_info(fault.retry_after);
        }
        Status::with_error_details(row(fault.kind).0, fault.message, details)
    }
}

impl From<Status> for Fault {
    /// Codes without a kind become `Internal`. `CANCELLED` becomes `DeadlineExceeded`, because a
    /// server whose timer ran out answers with it.
    fn from(status: Status) -> Self {
        let code = match status.code() {
            Code::Cancelled => Code::DeadlineExceeded,
            code => code,
        };
        let kind = TABLE
            .into_iter()
            .find(|(_, known, _)| *known == code)
            .map_or(FaultKind::Internal, |(kind, ..)| kind);
        let details = status.get_error_details();
        let violations = details.bad_request().map(|request| {
            let fields = request.field_violations.iter();
            fields
                .map(|v| FieldViolation {
                    field: v.field.clone(),
                    description: v.description.clone(),
                })
                .collect()
        });
        Self {
            kind,
            message: status.message().to_owned(),
            violations: violations.unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }
}

impl From<Fault> for pb::Fault {
    fn from(fault: Fault) -> Self {
        Self {
            kind: row(fault.kind).1.into(),
            message: fault.message,
            violations: fault
                .violations
                .into_iter()
                .map(|v| pb::FieldViolation { field: v.field, description: v.description })
                .collect(),
            retry_after: fault.retry_after.and_then(|pause| pause.try_into().ok()),
        }
    }
}

impl From<pb::Fault> for Fault {
    fn from(fault: pb::Fault) -> Self {
        let wire = fault.kind();
        let kind = TABLE
            .into_iter()
            .find(|(.., known)| *known == wire)
            .map_or(FaultKind::Internal, |(kind, ..)| kind);
        Self {
            kind,
            message: fault.message,
            violations: fault
                .violations
                .into_iter()
                .map(|v| FieldViolation { field: v.field, description: v.description })
                .collect(),
            retry_after: fault.retry_after.and_then(|pause| pause.try_into().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> Fault {
        let violation =
            FieldViolation { field: "at".to_owned(), description: "is missing".to_owned() };
        Fault {
            kind,
            message: "what to do".to_owned(),
            violations: vec![violation],
            retry_after: Some(Duration::from_millis(1500)),
        }
    }

    #[test]
    fn every_kind_survives_a_status_and_a_message() {
        for kind in FaultKind::ALL {
            let status = Status::from(fault(kind));
            let name = format!("{:?}", status.code()).to_uppercase();
            assert_eq!(name, kind.name().replace('_', ""));
            assert_eq!(Fault::from(status), fault(kind));
            assert_eq!(Fault::from(pb::Fault::from(fault(kind))), fault(kind));
        }
    }

    #[test]
    fn numbers_of_the_contract_are_those_of_grpc() {
        for (_, code, wire) in TABLE {
            assert_eq!(code as i32, wire as i32);
        }
    }

    #[test]
    fn tonics_timer_means_a_spent_deadline() {
        let fault = Fault::from(Status::cancelled("Timeout expired"));
        assert_eq!(fault.kind, FaultKind::DeadlineExceeded);
        assert_eq!(Fault::from(Status::data_loss("disk")).kind, FaultKind::Internal);
    }
}
