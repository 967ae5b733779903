//! What a gRPC status says.

use std::fmt;

use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

/// The fields that the `google.rpc.BadRequest` in a status names.
pub fn violated_fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let request = details.bad_request();
    let violations = request.into_iter().flat_map(|request| request.field_violations.iter());
    violations.map(|violation| violation.field.clone()).collect()
}

/// The fields that a refusal names.
///
/// # Panics
/// When the answer is not a refusal with the code INVALID_ARGUMENT.
pub fn refused_fields<T: fmt::Debug>(answer: Result<Response<T>, Status>) -> Vec<String> {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    violated_fields(&status)
}
