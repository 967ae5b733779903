//! Connections to a running server.

use std::time::Duration;

use anyhow::Context;
use strata_chassis::ClientConfig;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Where the coordinator of `strata up` is found.
pub(crate) const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:50050";

/// Time after which a question about health counts as unanswered.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// A channel to the coordinator that connects when it is first used.
///
/// # Errors
/// When `endpoint` is no address.
pub(crate) fn coordinator(endpoint: &str) -> anyhow::Result<CoordinatorClient<Channel>> {
    Ok(CoordinatorClient::new(channel(endpoint)?))
}

/// A channel to any server of ours.
///
/// # Errors
/// When `endpoint` is no address.
pub(crate) fn channel(endpoint: &str) -> anyhow::Result<Channel> {
    strata_chassis::channel(endpoint, &ClientConfig::default()).context("--endpoint")
}

/// Whether the server behind `channel` says that it is ready.
pub(crate) async fn is_serving(channel: &Channel) -> bool {
    let mut client = HealthClient::new(channel.clone());
    let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
    request.set_timeout(HEALTH_TIMEOUT);
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, client.check(request)).await;
    matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving)
}
