//! Calls that a generated client cannot make: any bytes, any headers, no timer of its own.

use std::time::Duration;

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use strata_wire::pb::{self, coordinator_client::CoordinatorClient};
use tonic::{Request, Status, body::Body, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::process::Process;

/// An HTTP/2 client that adds nothing to a request.
pub type PlainClient = Client<HttpConnector, Body>;

fn plain() -> PlainClient {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// A client of the coordinator that sends `grpc-timeout` like any other header. tonic's own
/// channel would also start a timer, whose error hides the server's answer.
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

/// `request` with the longest timeout that a layer grants, 30 s, so that a busy machine does not
/// make a test fail.
pub fn patient<T>(request: T) -> Request<T> {
    timed(request, Duration::from_secs(30))
}

/// Calls `Decide` with a message that has only a correlation id. The id may be any bytes, though
/// the contract says UTF-8.
///
/// # Errors
/// The status that the server answers with.
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
    // Bytes encode as a message with the one field number 1, like `google.protobuf.BytesValue`.
    let codec = ProstCodec::<Vec<u8>, pb::DecideResponse>::default();
    client.unary(Request::new(correlation_id), path, codec).await.map(tonic::Response::into_inner)
}
