//! Channels to other gRPC servers.

mod backoff;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tonic::transport::{Channel, Endpoint};

use crate::config::{Check, ListenError, MAX_WINDOW, Timeout, socket_path};

pub use self::backoff::Backoff;

/// How connections to another server are made and kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Time a connection may take to be established.
    #[serde(with = "Timeout")]
    pub connect_timeout: Duration,
    /// Silence after which the connection is pinged, whether it is in use or not.
    #[serde(with = "Timeout")]
    pub keepalive_interval: Duration,
    /// Time a ping may stay unanswered before the connection is closed.
    #[serde(with = "Timeout")]
    pub keepalive_timeout: Duration,
    /// HTTP/2 flow-control window of a stream, in bytes.
    #[schemars(range(min = 1, max = MAX_WINDOW))]
    pub stream_window_bytes: u32,
    /// HTTP/2 flow-control window of a connection, in bytes.
    #[schemars(range(min = 1, max = MAX_WINDOW))]
    pub connection_window_bytes: u32,
    /// Let the windows follow the measured bandwidth and delay.
    pub adaptive_window: bool,
}

impl Check for ClientConfig {}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
            // As on the server's side.
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            adaptive_window: false,
        }
    }
}

/// Why there can be no channel to an endpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The text is not an address of a server.
    #[error("{endpoint:?} is not an endpoint; write host:port, http://host:port or unix:/path")]
    Endpoint {
        /// The text.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        source: Option<tonic::transport::Error>,
    },
    /// The scheme asks for what this build cannot do.
    #[error("{endpoint:?} asks for {scheme}, which this build does not speak; write http://")]
    Scheme {
        /// The text.
        endpoint: String,
        /// Its scheme.
        scheme: String,
    },
    /// The path of a unix socket cannot be one.
    #[error("{endpoint:?} is not an endpoint")]
    Socket {
        /// The text.
        endpoint: String,
        /// What is wrong with the path.
        #[source]
        source: ListenError,
    },
    /// A path or a query follows the port.
    #[error(
        "{endpoint:?} has {path:?} behind the port, which gRPC has no use for; \
         write host:port or http://host:port"
    )]
    Path {
        /// The text.
        endpoint: String,
        /// What follows the port.
        path: String,
    },
}

/// A channel to `endpoint` that connects when it is first used and again whenever the connection
/// was lost. An endpoint is `host:port`, `http://host:port`, or `unix:/path` of a server on the
/// same machine.
///
/// The channel sets no timeout of its own: tonic's answers `CANCELLED`. Use a
/// [`Deadline`](crate::Deadline) around the call.
///
/// # Errors
/// [`ClientError`] if the text is not such an endpoint. An unreachable server is no error here: the
/// first call says `UNAVAILABLE`.
pub fn channel(endpoint: &str, config: &ClientConfig) -> Result<Channel, ClientError> {
    Ok(target(endpoint, config)?.connect_lazy())
}

/// The target of a channel, for those who have to set more than [`channel`] does.
pub(crate) fn target(endpoint: &str, config: &ClientConfig) -> Result<Endpoint, ClientError> {
    let text = endpoint.trim();
    if let Some(path) = socket_path(text) {
        let path =
            path.map_err(|source| ClientError::Socket { endpoint: endpoint.to_owned(), source })?;
        let target = Endpoint::from_shared(format!("unix:{}", path.display()));
        let bad =
            |source| ClientError::Endpoint { endpoint: endpoint.to_owned(), source: Some(source) };
        return Ok(configured(target.map_err(bad)?, config));
    }
    let uri = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let bad = |source| ClientError::Endpoint { endpoint: endpoint.to_owned(), source };
    let target = Endpoint::from_shared(uri).map_err(|source| bad(Some(source)))?;
    match (target.uri().scheme_str(), target.uri().port()) {
        (Some("http"), Some(_)) => {}
        (Some("http"), None) | (None, _) => return Err(bad(None)),
        (Some(scheme), _) => {
            let scheme = scheme.to_owned();
            return Err(ClientError::Scheme { endpoint: endpoint.to_owned(), scheme });
        }
    }
    if let Some(path) = target.uri().path_and_query().filter(|path| path.as_str() != "/") {
        let path = path.to_string();
        return Err(ClientError::Path { endpoint: endpoint.to_owned(), path });
    }
    Ok(configured(target, config))
}

fn configured(target: Endpoint, config: &ClientConfig) -> Endpoint {
    target
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        // A layer's stream may be silent for minutes; a dead one must be noticed before it is used.
        .keep_alive_while_idle(true)
        .initial_stream_window_size(config.stream_window_bytes)
        .initial_connection_window_size(config.connection_window_bytes)
        .http2_adaptive_window(config.adaptive_window)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_with_ports_are_endpoints() {
        for endpoint in [
            "127.0.0.1:50051",
            "http://strategic:50051",
            "http://strategic:50051/",
            " [::1]:50051 ",
            "unix:/run/strata/strategic.sock",
            " unix:///run/strata/strategic.sock ",
        ] {
            channel(endpoint, &ClientConfig::default()).unwrap();
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused_with_what_to_write() {
        for endpoint in ["", "strategic", "http://", "50051", "host:port:50051", "a b:50051"] {
            let error = channel(endpoint, &ClientConfig::default()).unwrap_err();
            assert!(error.to_string().contains("host:port"), "{endpoint}: {error}");
        }
        for endpoint in ["unix:", "unix:relative", "unix://host/path"] {
            let error = channel(endpoint, &ClientConfig::default()).unwrap_err();
            let error = crate::report(&error).to_string();
            assert!(error.contains("unix:/path"), "{endpoint}: {error}");
        }
        let error = channel("https://strategic:50051", &ClientConfig::default()).unwrap_err();
        assert!(error.to_string().contains("https"), "{error}");
    }

    #[tokio::test]
    async fn what_follows_the_port_is_refused_by_its_name() {
        for path in ["/path", "/?query", "?query", "/a/b?c=d", "//"] {
            let endpoint = format!("http://strategic:50051{path}");
            let error = channel(&endpoint, &ClientConfig::default()).unwrap_err().to_string();
            assert!(error.contains("behind the port"), "{endpoint}: {error}");
        }
    }

    #[test]
    fn every_setting_is_documented() {
        crate::assert_documented::<ClientConfig>();
    }
}
