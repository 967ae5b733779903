//! What a gRPC status says.

use tonic::Status;
use tonic_types::StatusExt;

/// The fields that the `google.rpc.BadRequest` in a status names.
pub fn violated_fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let request = details.bad_request();
    let violations = request.into_iter().flat_map(|request| request.field_violations.iter());
    violations.map(|violation| violation.field.clone()).collect()
}
