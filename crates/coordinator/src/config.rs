use std::time::Duration;

use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, ClientConfig, Documented, GrpcConfig, Help, Invalid, ProcessConfig,
    ProcessSettings, RuntimeConfig, ShutdownConfig, TelemetryConfig,
};

use crate::{deciding::Speculation, releases::ReleaseConfig};

/// Every setting of the coordinator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoordinatorConfig {
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// Where the layers are.
    pub layers: LayersConfig,
    /// Limits of requests.
    pub requests: RequestsConfig,
    /// The release in force at the start.
    pub release: ReleaseConfig,
    /// Connections to the layers.
    pub client: ClientConfig,
    /// Traces and logs.
    pub telemetry: TelemetryConfig,
    /// The end of the process.
    pub shutdown: ShutdownConfig,
    /// Threads.
    pub runtime: RuntimeConfig,
}

/// Every setting of a coordinator that shares its process with the layers: what is left when
/// threads, telemetry and the end of the process are said once for all, and no layer has to be
/// found.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorSection {
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// Limits of requests.
    pub requests: RequestsConfig,
    /// The release in force at the start.
    pub release: ReleaseConfig,
}

/// Where the layers are. Every address a host name resolves to is a replica.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayersConfig {
    /// Endpoints of the strategic layer.
    pub strategic: Vec<String>,
    /// Endpoints of the tactical layer.
    pub tactical: Vec<String>,
    /// Endpoints of the operational layer.
    pub operational: Vec<String>,
    /// How often host names are resolved again.
    #[serde(with = "humantime_serde")]
    pub resolve_interval: Duration,
    /// Rows that may wait for one replica.
    pub queue_rows: usize,
    /// Longest pause between attempts to connect.
    #[serde(with = "humantime_serde")]
    pub max_backoff: Duration,
}

/// Limits of requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsConfig {
    /// Time allowed when the caller sets none.
    #[serde(with = "humantime_serde")]
    pub default_timeout: Duration,
    /// Most time a caller may set.
    #[serde(with = "humantime_serde")]
    pub max_timeout: Duration,
    /// Requests of one stream in work at once; more stay with the caller.
    pub stream_in_flight: usize,
    /// Requests of one connection in work at once; more are refused.
    pub caller_in_flight: usize,
    /// Whether layers are asked before the layer above has answered, with a guess for its answer:
    /// `off`, `on`, or `auto` while few decisions are in work.
    pub speculation: Speculation,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            grpc: GrpcConfig::on_port(50050),
            admin: AdminConfig::on_port(9050),
            layers: LayersConfig::default(),
            requests: RequestsConfig::default(),
            release: ReleaseConfig::default(),
            client: ClientConfig::default(),
            telemetry: TelemetryConfig::default(),
            shutdown: ShutdownConfig::default(),
            runtime: RuntimeConfig::default(),
        }
    }
}

impl Default for CoordinatorSection {
    fn default() -> Self {
        let CoordinatorConfig { grpc, admin, requests, release, .. } = CoordinatorConfig::default();
        Self { grpc, admin, requests, release }
    }
}

impl Documented for CoordinatorSection {
    fn help() -> Help {
        Help::default()
            .section::<GrpcConfig>("grpc")
            .section::<AdminConfig>("admin")
            .section::<RequestsConfig>("requests")
            .section::<ReleaseConfig>("release")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.grpc.check().map_err(|invalid| invalid.within("grpc"))?;
        self.requests.check().map_err(|invalid| invalid.within("requests"))?;
        self.release.check().map_err(|invalid| invalid.within("release"))
    }
}

impl Default for LayersConfig {
    fn default() -> Self {
        let local = |port: u16| vec![format!("http://127.0.0.1:{port}")];
        Self {
            strategic: local(50051),
            tactical: local(50052),
            operational: local(50053),
            resolve_interval: Duration::from_secs(5),
            queue_rows: 4096,
            max_backoff: Duration::from_secs(2),
        }
    }
}

impl Default for RequestsConfig {
    fn default() -> Self {
        Self {
            default_timeout: Duration::from_secs(1),
            max_timeout: Duration::from_secs(30),
            stream_in_flight: 1024,
            caller_in_flight: 2048,
            speculation: Speculation::default(),
        }
    }
}

impl Documented for LayersConfig {
    fn help() -> Help {
        Help::of(&[
            (
                "strategic",
                "Endpoints of the strategic layer, comma separated: http://host:port or unix:/path",
            ),
            ("tactical", "Endpoints of the tactical layer, comma separated"),
            ("operational", "Endpoints of the operational layer, comma separated"),
            ("resolve_interval", "How often host names are resolved again to find replicas"),
            ("queue_rows", "Rows that may wait for one replica; more are RESOURCE_EXHAUSTED"),
            ("max_backoff", "Longest pause between attempts to connect to a replica"),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        for (name, endpoints) in [
            ("strategic", &self.strategic),
            ("tactical", &self.tactical),
            ("operational", &self.operational),
        ] {
            if endpoints.is_empty() {
                return Err(Invalid::new(name, "must name at least one endpoint"));
            }
        }
        if !(1..=1 << 20).contains(&self.queue_rows) {
            return Err(Invalid::new("queue_rows", "must be from 1 to 1048576"));
        }
        if self.resolve_interval.is_zero() {
            return Err(Invalid::new("resolve_interval", "must be above zero"));
        }
        Ok(())
    }
}

impl Documented for RequestsConfig {
    fn help() -> Help {
        Help::of(&[
            ("default_timeout", "Time allowed for a decision when the caller sets none"),
            ("max_timeout", "Most time a caller may set"),
            (
                "stream_in_flight",
                "Requests of one stream in work at once; more stay with the caller",
            ),
            (
                "caller_in_flight",
                "Requests of one connection in work at once; more are RESOURCE_EXHAUSTED",
            ),
            (
                "speculation",
                "Whether layers are asked ahead, with a guess for the answer above: off, on or \
                 auto",
            ),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.default_timeout.is_zero() || self.default_timeout > self.max_timeout {
            return Err(Invalid::new(
                "default_timeout",
                "must be above zero and at most max_timeout",
            ));
        }
        if !(1..=1 << 16).contains(&self.stream_in_flight) {
            return Err(Invalid::new("stream_in_flight", "must be from 1 to 65536"));
        }
        if !(1..=1 << 20).contains(&self.caller_in_flight) {
            return Err(Invalid::new("caller_in_flight", "must be from 1 to 1048576"));
        }
        Ok(())
    }
}

impl Documented for CoordinatorConfig {
    fn help() -> Help {
        Help::default()
            .section::<GrpcConfig>("grpc")
            .section::<AdminConfig>("admin")
            .section::<LayersConfig>("layers")
            .section::<RequestsConfig>("requests")
            .section::<ReleaseConfig>("release")
            .section::<ClientConfig>("client")
            .section::<TelemetryConfig>("telemetry")
            .section::<ShutdownConfig>("shutdown")
            .section::<RuntimeConfig>("runtime")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.grpc.check().map_err(|invalid| invalid.within("grpc"))?;
        self.layers.check().map_err(|invalid| invalid.within("layers"))?;
        self.requests.check().map_err(|invalid| invalid.within("requests"))?;
        self.release.check().map_err(|invalid| invalid.within("release"))?;
        self.client.check().map_err(|invalid| invalid.within("client"))?;
        self.telemetry.check().map_err(|invalid| invalid.within("telemetry"))?;
        self.shutdown.check().map_err(|invalid| invalid.within("shutdown"))?;
        self.runtime.check().map_err(|invalid| invalid.within("runtime"))
    }
}

impl ProcessConfig for CoordinatorConfig {
    fn process(&self) -> ProcessSettings<'_> {
        ProcessSettings {
            telemetry: &self.telemetry,
            shutdown: &self.shutdown,
            runtime: &self.runtime,
            cores_per_worker: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        strata_chassis::assert_documented::<CoordinatorConfig>();
    }
}
