use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, Check, ClientConfig, GrpcConfig, HumanDuration, Invalid, ProcessConfig,
    ProcessSettings, RuntimeConfig, ShutdownConfig, TelemetryConfig, check_sections,
};

use crate::{deciding::Speculation, releases::ReleaseConfig};

/// Every setting of the coordinator.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoordinatorConfig {
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// Endpoints of the layers.
    pub layers: LayersConfig,
    /// The catalogue of placements: `world`, `research`, or the path of a YAML file.
    ///
    /// SIGHUP and the RPC `ReloadCatalogue` read it again.
    pub catalogue: String,
    /// Limits of requests.
    pub requests: RequestsConfig,
    /// The release in force at the start.
    pub release: ReleaseConfig,
    /// Connections to the layers.
    pub client: ClientConfig,
    /// Traces and logs.
    pub telemetry: TelemetryConfig,
    /// Limits of the shutdown.
    pub shutdown: ShutdownConfig,
    /// Number of threads.
    pub runtime: RuntimeConfig,
}

/// The settings of a coordinator that shares its process with the layers. The process has one set
/// of threads, one telemetry and one shutdown for all services, and the coordinator needs no
/// endpoints of layers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorSection {
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The catalogue of placements: `world`, `research`, or the path of a YAML file.
    ///
    /// SIGHUP and the RPC `ReloadCatalogue` read it again.
    pub catalogue: String,
    /// Limits of requests.
    pub requests: RequestsConfig,
    /// The release in force at the start.
    pub release: ReleaseConfig,
}

/// Endpoints of the layers. Every address that a host name resolves to is a replica.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayersConfig {
    /// Endpoints of the strategic layer, comma separated: `http://host:port` or `unix:/path`.
    ///
    /// Each address that a host name resolves to is a replica.
    pub strategic: Vec<String>,
    /// Endpoints of the tactical layer, comma separated.
    pub tactical: Vec<String>,
    /// Endpoints of the operational layer, comma separated.
    pub operational: Vec<String>,
    /// How often host names are resolved again to find replicas.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-range" = "above zero"))]
    pub resolve_interval: Duration,
    /// Rows that may wait for one replica; more are refused with `RESOURCE_EXHAUSTED`.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub queue_rows: usize,
    /// Longest pause between attempts to connect to a replica.
    #[serde(with = "HumanDuration")]
    pub max_backoff: Duration,
}

/// Limits of requests.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsConfig {
    /// Time allowed for a decision when the caller sets none, and for each request of a stream.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-range" = "above zero and at most requests.max_timeout"))]
    pub default_timeout: Duration,
    /// Most time a caller may set.
    #[serde(with = "HumanDuration")]
    pub max_timeout: Duration,
    /// Requests of one stream in work at once; more stay with the caller.
    #[schemars(range(min = 1, max = 1 << 16))]
    pub stream_in_flight: usize,
    /// Requests of one connection in work at once; more are refused with `RESOURCE_EXHAUSTED`.
    ///
    /// Requests of other connections are not refused for it.
    #[schemars(range(min = 1, max = 1 << 20))]
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
            catalogue: strata_catalogue::DEFAULT.to_owned(),
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
        let CoordinatorConfig { grpc, admin, catalogue, requests, release, .. } =
            CoordinatorConfig::default();
        Self { grpc, admin, catalogue, requests, release }
    }
}

impl Check for CoordinatorSection {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("grpc", &self.grpc),
            ("requests", &self.requests),
            ("release", &self.release),
        ])
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

impl Check for LayersConfig {
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
        if self.resolve_interval.is_zero() {
            return Err(Invalid::new("resolve_interval", "must be above zero"));
        }
        Ok(())
    }
}

impl Check for RequestsConfig {
    fn check(&self) -> Result<(), Invalid> {
        if self.default_timeout.is_zero() || self.default_timeout > self.max_timeout {
            return Err(Invalid::new(
                "default_timeout",
                "must be above zero and at most max_timeout",
            ));
        }
        Ok(())
    }
}

impl Check for CoordinatorConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("grpc", &self.grpc),
            ("layers", &self.layers),
            ("requests", &self.requests),
            ("release", &self.release),
            ("telemetry", &self.telemetry),
            ("shutdown", &self.shutdown),
            ("runtime", &self.runtime),
        ])
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
