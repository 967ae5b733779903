//! Calls below what a generated client does: any bytes, any headers, no timer of its own.

use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use strata_wire::pb;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::Process;

/// An HTTP/2 client that adds nothing.
pub type PlainClient = Client<HttpConnector, Body>;

fn plain() -> PlainClient {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// A client of the coordinator that sends `grpc-timeout` like any header. tonic's own channel would
/// also start a timer, which hides what the server says.
///
/// # Panics
/// Not with an address like this.
pub fn untimed(coordinator: &Process) -> CoordinatorClient<PlainClient> {
    let origin = coordinator.spec().endpoint().parse().expect("an endpoint");
    CoordinatorClient::with_origin(plain(), origin)
}

/// `request` with a `grpc-timeout`.
///
/// # Panics
/// With more than 99 seconds, for which there are not enough digits.
pub fn timed<T>(request: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(request);
    let micros = timeout.as_micros();
    assert!(micros < 100_000_000, "gRPC allows eight digits");
    let value = format!("{micros}u");
    request.metadata_mut().insert("grpc-timeout", value.parse().expect("a header"));
    request
}

/// Calls `Decide` with any bytes as the correlation id, which must be UTF-8, and nothing else.
///
/// # Errors
/// The status the server answers with.
///
/// # Panics
/// Not with an address like this.
pub async fn decide_bytes(
    coordinator: &Process,
    correlation_id: Vec<u8>,
) -> Result<pb::DecideResponse, Status> {
    let origin = coordinator.spec().endpoint().parse().expect("an endpoint");
    let mut client = tonic::client::Grpc::with_origin(plain(), origin);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/strata.v1.Coordinator/Decide");
    // Bytes alone are a message with the one field number 1, as `google.protobuf.BytesValue` is.
    let codec = ProstCodec::<Vec<u8>, pb::DecideResponse>::default();
    client.unary(Request::new(correlation_id), path, codec).await.map(tonic::Response::into_inner)
}
