//! Sections that several binaries share.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::documented::{Documented, Help};
use super::error::Invalid;
use super::limits::check_time;
use super::listen::{Listen, SocketMode};

/// The gRPC listener: where it listens, and how much it takes on at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    /// Address and port, or a unix socket.
    pub listen: Listen,
    /// Who may connect to a unix socket; of no meaning for a port.
    pub socket_mode: SocketMode,
    /// Connections open at once. More wait in the kernel's backlog.
    pub max_connections: usize,
    /// Calls in progress at once, over all connections. More are refused with
    /// `RESOURCE_EXHAUSTED`; health checks and reflection do not count.
    pub max_concurrent_calls: usize,
    /// HTTP/2 streams, that is calls, in progress on one connection.
    pub max_concurrent_streams: u32,
    /// Largest message taken or sent, in bytes; services give it to tonic's generated servers.
    pub max_message_bytes: usize,
    /// Bytes of messages that have not ended which a connection may hold, at least one of the largest; unset is four of those. All
    /// connections together may hold four times as much.
    pub max_unfinished_bytes: Option<usize>,
    /// Time a message may take from its beginning to its end, and a unary request to the end of its stream.
    #[serde(with = "humantime_serde")]
    pub message_timeout: Duration,
    /// Largest request header list, in bytes.
    pub max_header_bytes: u32,
    /// HTTP/2 flow-control window of one stream, in bytes.
    pub stream_window_bytes: u32,
    /// HTTP/2 flow-control window of a connection, in bytes.
    pub connection_window_bytes: u32,
    /// Let the windows follow the measured bandwidth-delay product instead.
    pub adaptive_window: bool,
    /// Time after which a silent connection is pinged; unset is never.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Option<Duration>,
    /// Time a ping may stay unanswered before the connection is closed.
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// Time a new connection has to send the whole HTTP/2 preface.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

impl GrpcConfig {
    /// The defaults with this port on the loopback interface: without credentials nothing is offered to the network unless asked for.
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

    /// What a connection may hold of messages that have not ended.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.max_unfinished_bytes.unwrap_or_else(|| {
            self.max_message_bytes.saturating_add(FRAMING_BYTES).saturating_mul(4)
        })
    }
}

/// What gRPC puts before a message, bytes.
pub(crate) const FRAMING_BYTES: usize = 5;

impl Documented for GrpcConfig {
    fn help() -> Help {
        Help::of(&[
            (
                "listen",
                "Address and port of the gRPC listener, or unix:/path; port 0 picks a free one",
            ),
            ("socket_mode", "Permissions of the unix socket, in octal as chmod takes them"),
            ("max_connections", "Connections open at once; more wait in the backlog"),
            (
                "max_concurrent_calls",
                "Calls in progress at once; more are refused with RESOURCE_EXHAUSTED",
            ),
            ("max_concurrent_streams", "Calls in progress on one connection"),
            ("max_message_bytes", "Largest message taken or sent, in bytes"),
            (
                "max_unfinished_bytes",
                "Bytes of messages that have not ended which a connection may hold; unset is four times max_message_bytes",
            ),
            (
                "message_timeout",
                "Time a message may take to its end, and a unary request to that of its stream",
            ),
            ("max_header_bytes", "Largest request header list, in bytes"),
            ("stream_window_bytes", "HTTP/2 flow-control window of a stream, in bytes"),
            ("connection_window_bytes", "HTTP/2 flow-control window of a connection, in bytes"),
            ("adaptive_window", "Let the windows follow the measured bandwidth and delay"),
            ("keepalive_interval", "Silence after which a connection is pinged; unset is never"),
            ("keepalive_timeout", "Time a ping may stay unanswered"),
            ("handshake_timeout", "Time a new connection has to send the HTTP/2 preface"),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        // RFC 9113, 6.9.1: a window is at most 2^31 - 1 octets.
        const MAX_WINDOW: u32 = i32::MAX as u32;
        for (name, value, max) in [
            ("max_connections", self.max_connections, 1 << 20),
            ("max_concurrent_calls", self.max_concurrent_calls, 1 << 24),
            ("max_concurrent_streams", self.max_concurrent_streams as usize, 1 << 24),
            ("max_message_bytes", self.max_message_bytes, 1 << 30),
            ("max_unfinished_bytes", self.unfinished_bytes(), 1 << 34),
            ("max_header_bytes", self.max_header_bytes as usize, 1 << 24),
            ("stream_window_bytes", self.stream_window_bytes as usize, MAX_WINDOW as usize),
            ("connection_window_bytes", self.connection_window_bytes as usize, MAX_WINDOW as usize),
        ] {
            if value == 0 || value > max {
                return Err(Invalid::new(name, format!("must be from 1 to {max}")));
            }
        }
        let largest = self.max_message_bytes + FRAMING_BYTES;
        if self.unfinished_bytes() < largest {
            let reason = format!(
                "must be at least {largest}, which is max_message_bytes and {FRAMING_BYTES} bytes of framing"
            );
            return Err(Invalid::new("max_unfinished_bytes", reason));
        }
        check_time("message_timeout", self.message_timeout)?;
        if let Some(interval) = self.keepalive_interval {
            check_time("keepalive_interval", interval)?;
        }
        check_time("keepalive_timeout", self.keepalive_timeout)?;
        check_time("handshake_timeout", self.handshake_timeout)
    }
}

/// The admin listener, for probes and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port; port 0 picks a free one.
    pub listen: SocketAddr,
}

impl AdminConfig {
    /// The defaults with this port on the loopback interface: without credentials nothing is offered to the network unless asked for.
    #[must_use]
    pub fn on_port(port: u16) -> Self {
        Self { listen: loopback(port) }
    }
}

impl Documented for AdminConfig {
    fn help() -> Help {
        Help::of(&[(
            "listen",
            "Address and port of /livez, /readyz and /metrics; port 0 picks a free one",
        )])
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Traces and logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Where traces go.
    pub otlp: OtlpConfig,
    /// What logs look like.
    pub log: LogConfig,
}

impl Documented for TelemetryConfig {
    fn help() -> Help {
        Help::default().section::<OtlpConfig>("otlp").section::<LogConfig>("log")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.otlp.check().map_err(|invalid| invalid.within("otlp"))?;
        self.log.check().map_err(|invalid| invalid.within("log"))
    }
}

/// Export of traces over OTLP/gRPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// The collector, `http://host:4317`. Unset or empty: no tracing, at no cost.
    pub endpoint: Option<String>,
    /// Which traces are kept.
    pub sampler: Sampler,
    /// The share that the ratio samplers keep, 0 to 1.
    pub sampler_ratio: f64,
    /// Time one export may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Finished spans that may wait for export; more are dropped.
    pub queue_size: usize,
    /// Spans in one export.
    pub batch_size: usize,
    /// Longest time a finished span waits for its batch to fill.
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
}

impl OtlpConfig {
    /// The collector, if there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty())
    }
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            sampler: Sampler::default(),
            sampler_ratio: 1.0,
            timeout: Duration::from_secs(10),
            queue_size: 16_384,
            batch_size: 512,
            delay: Duration::from_secs(1),
        }
    }
}

impl Documented for OtlpConfig {
    fn help() -> Help {
        Help::of(&[
            ("endpoint", "OTLP/gRPC collector, http://host:4317; unset turns tracing off"),
            ("sampler", "always_on, always_off, traceidratio, or parentbased_ and one of these"),
            ("sampler_ratio", "Share of traces that the ratio samplers keep, 0 to 1"),
            ("timeout", "Time one export may take"),
            ("queue_size", "Finished spans that may wait for export; more are dropped"),
            ("batch_size", "Spans in one export"),
            ("delay", "Longest time a finished span waits for its batch to fill"),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        if !(0.0..=1.0).contains(&self.sampler_ratio) {
            return Err(Invalid::new("sampler_ratio", "must be from 0 to 1"));
        }
        if !(1..=1 << 20).contains(&self.queue_size) {
            return Err(Invalid::new("queue_size", "must be from 1 to 1048576"));
        }
        if !(1..=self.queue_size).contains(&self.batch_size) {
            return Err(Invalid::new("batch_size", "must be from 1 to queue_size"));
        }
        check_time("timeout", self.timeout)?;
        check_time("delay", self.delay)
    }
}

/// Which traces are kept, by OpenTelemetry's own names (`OTEL_TRACES_SAMPLER`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share, chosen by the trace id.
    #[serde(rename = "traceidratio")]
    TraceIdRatio,
    /// What the caller chose; all of those without a caller's choice.
    #[default]
    #[serde(rename = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// What the caller chose; none of those without a caller's choice.
    #[serde(rename = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// What the caller chose; a share of those without a caller's choice.
    #[serde(rename = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

/// Logs on standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// For machines or for people.
    pub format: LogFormat,
    /// Directives of `tracing-subscriber`'s `EnvFilter`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info".to_owned() }
    }
}

impl Documented for LogConfig {
    fn help() -> Help {
        Help::of(&[
            ("format", "auto, json or human; auto is human on a terminal and json elsewhere"),
            ("filter", "Levels: \"info\", or by module \"info,strata_chassis=debug\""),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        match tracing_subscriber::EnvFilter::try_new(&self.filter) {
            Ok(_) => Ok(()),
            Err(error) => Err(Invalid::new("filter", error.to_string())),
        }
    }
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `Human` on a terminal, `Json` elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text, coloured on a terminal.
    Human,
}

/// The end of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// The one budget for everything between the first signal and the exit.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// The part of it in which new connections and calls are still taken, though no longer ready.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        // Kubernetes kills after 30 s. Readiness reaches load balancers within about half a second.
        Self { grace: Duration::from_secs(20), settle: Duration::from_millis(500) }
    }
}

impl Documented for ShutdownConfig {
    fn help() -> Help {
        Help::of(&[
            ("grace", "Time from the first signal to the exit, all of the drain included"),
            ("settle", "Time after the signal in which new calls are still taken"),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.settle > self.grace {
            let reason = format!("must be at most grace, {:?}", self.grace);
            return Err(Invalid::new("settle", reason));
        }
        Ok(())
    }
}

/// Threads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// Threads that run async tasks; unset is one for each core, in a layer one for every two, in one process one for every two and as many
    /// again for the layers.
    pub worker_threads: Option<usize>,
    /// Time for which a worker looks for work that is about to come before it sleeps; zero: not at all.
    #[serde(with = "humantime_serde")]
    pub idle_poll: Duration,
}

impl RuntimeConfig {
    /// Beyond it a process that waits is nearly never asleep.
    const MAX_IDLE_POLL: Duration = Duration::from_millis(10);
}

impl Documented for RuntimeConfig {
    fn help() -> Help {
        Help::of(&[
            (
                "worker_threads",
                "Threads that run async tasks; unset is one for each core, in a layer one for every two, in strata-node one for every two and as many again for the layers",
            ),
            (
                "idle_poll",
                "Time for which a worker looks for work that is about to come before it sleeps: lone answers come sooner, processor time is spent",
            ),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.idle_poll > Self::MAX_IDLE_POLL {
            let reason = format!("must be at most {:?}", Self::MAX_IDLE_POLL);
            return Err(Invalid::new("idle_poll", reason));
        }
        match self.worker_threads {
            Some(threads) if !(1..=1024).contains(&threads) => {
                Err(Invalid::new("worker_threads", "must be from 1 to 1024"))
            }
            _ => Ok(()),
        }
    }
}
