//! Connections to a running server.

use anyhow::Context;
use strata_chassis::ClientConfig;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use tonic::transport::Channel;

/// Where the coordinator of `strata up` listens.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:50050";

/// A client of the coordinator at `endpoint`, which connects at its first call.
///
/// # Errors
/// When `endpoint` is not an address.
pub fn coordinator(endpoint: &str) -> anyhow::Result<CoordinatorClient<Channel>> {
    Ok(CoordinatorClient::new(channel(endpoint)?))
}

/// A channel to any server of Strata, which connects at its first call.
///
/// # Errors
/// When `endpoint` is not an address.
pub fn channel(endpoint: &str) -> anyhow::Result<Channel> {
    strata_chassis::channel(endpoint, &ClientConfig::default()).context("--endpoint")
}
