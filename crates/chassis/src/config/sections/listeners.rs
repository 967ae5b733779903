use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{
    check::Check,
    duration::Timeout,
    error::Invalid,
    listen::{Listen, SocketMode},
};

/// The gRPC listener: where it listens, and how much it takes on at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    /// Address and port of the gRPC listener, or unix:/path; port 0 picks a free one.
    pub listen: Listen,
    /// Permissions of the unix socket, in octal as chmod takes them: who may connect.
    pub socket_mode: SocketMode,
    /// Connections open at once; more wait in the backlog.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub max_connections: usize,
    /// Calls in progress at once; more are refused with `RESOURCE_EXHAUSTED`.
    ///
    /// All connections count together; health checks and reflection do not count.
    #[schemars(range(min = 1, max = 1 << 24))]
    pub max_concurrent_calls: usize,
    /// Calls in progress on one connection; more wait at the client.
    #[schemars(range(min = 1, max = 1 << 24))]
    pub max_concurrent_streams: u32,
    /// Largest message taken or sent, in bytes.
    ///
    /// Requests to the coordinator have 64 KiB at most, whatever this says.
    #[schemars(range(min = 1, max = 1 << 30))]
    pub max_message_bytes: usize,
    /// Bytes of incomplete messages that a connection may hold; unset is four of the largest.
    ///
    /// Beyond it a call ends with `RESOURCE_EXHAUSTED`. A unary request is complete when its stream
    /// has ended; a stream counts with the largest message of which it sent a part. Connections
    /// that hold more than 128 KiB may together hold four times as much. At least
    /// `grpc.max_message_bytes` and the 5 bytes of its framing.
    #[schemars(range(min = 1, max = 1_u64 << 34))]
    pub max_unfinished_bytes: Option<usize>,
    /// Time in which a message must be complete, and a unary request its stream.
    ///
    /// A call that takes longer ends with `DEADLINE_EXCEEDED`.
    #[serde(with = "Timeout")]
    pub message_timeout: Duration,
    /// Largest request header list, in bytes.
    #[schemars(range(min = 1, max = 1 << 24))]
    pub max_header_bytes: u32,
    /// HTTP/2 flow-control window of a stream, in bytes.
    #[schemars(range(min = 1, max = MAX_WINDOW))]
    pub stream_window_bytes: u32,
    /// HTTP/2 flow-control window of a connection, in bytes.
    #[schemars(range(min = 1, max = MAX_WINDOW))]
    pub connection_window_bytes: u32,
    /// Let the windows follow the measured bandwidth and delay.
    pub adaptive_window: bool,
    /// Silence after which a connection is pinged; unset is never.
    #[serde(with = "Timeout")]
    pub keepalive_interval: Option<Duration>,
    /// Time a ping may stay unanswered before the connection is closed.
    #[serde(with = "Timeout")]
    pub keepalive_timeout: Duration,
    /// Time a new connection has to send the HTTP/2 preface.
    #[serde(with = "Timeout")]
    pub handshake_timeout: Duration,
}

/// RFC 9113, 6.9.1: a window is at most 2^31 - 1 octets.
pub(crate) const MAX_WINDOW: u32 = i32::MAX as u32;

/// What gRPC puts before a message, bytes.
pub(crate) const FRAMING_BYTES: usize = 5;

impl GrpcConfig {
    /// The defaults with this port on the loopback interface: without credentials nothing is
    /// offered to the network unless asked for.
    #[must_use]
    pub fn on_port(port: u16) -> Self {
        Self {
            listen: loopback(port).into(),
            socket_mode: SocketMode::default(),
            max_connections: 4096,
            max_concurrent_calls: 8192,
            max_concurrent_streams: 1024,
            // What gRPC implementations take by default.
            max_message_bytes: 4 << 20,
            max_unfinished_bytes: None,
            message_timeout: Duration::from_secs(10),
            max_header_bytes: 16 << 10,
            // Frames of rows are tens of kilobytes: many fit before a window update is needed, and
            // what a hostile peer can make a connection buffer stays small.
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            adaptive_window: false,
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
        }
    }

    /// Bytes of incomplete messages that a connection may hold.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.max_unfinished_bytes.unwrap_or_else(|| {
            self.max_message_bytes.saturating_add(FRAMING_BYTES).saturating_mul(4)
        })
    }
}

impl Check for GrpcConfig {
    fn check(&self) -> Result<(), Invalid> {
        let largest = self.max_message_bytes + FRAMING_BYTES;
        if self.unfinished_bytes() < largest {
            let reason = format!(
                "must be at least {largest}, which is max_message_bytes and {FRAMING_BYTES} bytes \
                 of framing"
            );
            return Err(Invalid::new("max_unfinished_bytes", reason));
        }
        Ok(())
    }
}

/// The admin listener, for probes and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port of /livez, /readyz and /metrics; port 0 picks a free one.
    pub listen: SocketAddr,
}

impl AdminConfig {
    /// The defaults with this port on the loopback interface: without credentials nothing is
    /// offered to the network unless asked for.
    #[must_use]
    pub fn on_port(port: u16) -> Self {
        Self { listen: loopback(port) }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
