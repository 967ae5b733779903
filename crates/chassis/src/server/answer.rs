//! Answers the middleware gives itself.

use http::{HeaderMap, Response};
use tonic::Status;

/// `status` as an answer without a message: headers only.
pub(super) fn refusal(status: Status) -> Response<()> {
    status.into_http()
}

/// `status` as the trailers that end an answer which has begun.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Only a message or metadata that is no header value gets here, and ours are plain text.
        trailers.insert("grpc-status", http::HeaderValue::from(status.code() as i32));
    }
    trailers
}
