use std::{marker::PhantomData, ops::RangeInclusive, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, Check, GrpcConfig, HumanDuration, Invalid, ProcessConfig, ProcessSettings,
    RuntimeConfig, ShutdownConfig, TelemetryConfig, check_sections,
};
use strata_runtime::{ExecutionProvider, ModelOptions, Precision};

use crate::{layers::Layer, models::Policy, serving::MAX_ROWS};

/// Every setting of a layer process.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, bound = "")]
#[schemars(bound = "", rename = "LayerConfig")]
pub(crate) struct LayerConfig<A: Layer> {
    /// The gRPC listener.
    pub(crate) grpc: GrpcConfig,
    /// The admin listener.
    pub(crate) admin: AdminConfig,
    /// The catalogue of placements: `world`, `research`, or the path of a YAML file.
    ///
    /// It is used when a request does not list what to choose from, and by versions 1 and 2 of the
    /// models.
    pub(crate) catalogue: String,
    /// The repository and the versions to serve.
    pub(crate) models: ModelsConfig,
    /// How the layer runs the model.
    pub(crate) inference: InferenceConfig,
    /// Traces and logs.
    pub(crate) telemetry: TelemetryConfig,
    /// Limits of the shutdown.
    pub(crate) shutdown: ShutdownConfig,
    /// Number of threads.
    pub(crate) runtime: RuntimeConfig,
    #[serde(skip)]
    layer: PhantomData<fn() -> A>,
}

/// The settings of a layer that shares its process with others. The process has one set of threads,
/// one telemetry and one shutdown for all services.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerSection {
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The catalogue of placements: `world`, `research`, or the path of a YAML file.
    ///
    /// It is used when a request does not list what to choose from, and by versions 1 and 2 of the
    /// models.
    pub catalogue: String,
    /// The repository and the versions to serve.
    pub models: ModelsConfig,
    /// How the layer runs the model.
    pub inference: InferenceConfig,
}

/// The repository and the versions to serve.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// Model repository: `DIR/<layer>/<version>/{model.onnx,manifest.yaml}`.
    pub dir: PathBuf,
    /// Version that gets the traffic at the start; unset is the newest.
    ///
    /// It is one of those that `models.versions` wants.
    pub version: Option<u32>,
    /// Versions kept loaded: `latest:N`, `all`, or `1,2`; unset is the one that gets the traffic.
    ///
    /// At most 8 versions are loaded.
    #[schemars(with = "Option<String>")]
    pub versions: Option<Policy>,
    /// How often the repository is looked at for new versions; 0s is never.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-range" = "0s, or from 100ms to 24h"))]
    pub poll_interval: Duration,
    /// `fp32`, or `int8`: the quantised variant of versions that have one.
    ///
    /// `strata models quantize` makes the variant; a version without it computes in fp32.
    #[schemars(with = "String")]
    pub precision: Precision,
}

impl ModelsConfig {
    /// The versions that the layer keeps loaded.
    pub(crate) fn policy(&self) -> Policy {
        match (&self.versions, self.version) {
            (Some(policy), _) => policy.clone(),
            (None, Some(version)) => Policy::Listed([version].into()),
            (None, None) => Policy::Latest(1),
        }
    }
}

/// Far beyond any delay that improves batches.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// How the layer runs the model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    /// ONNX Runtime library; unset: `STRATA_ORT_LIB`, then what `make ort` fetched into .ort/.
    pub library: Option<PathBuf>,
    /// `cpu`, `cuda`, or `auto`: cuda if it can be had, else cpu.
    ///
    /// The process logs what `auto` chose. With `cuda` it does not start where there is none.
    #[schemars(with = "String")]
    pub execution_provider: ExecutionProvider,
    /// Sessions of the model, each on a thread of its own and with weights of its own.
    #[schemars(range(min = 1, max = 64))]
    pub sessions: usize,
    /// Most rows in one run of the model.
    #[schemars(range(min = 1, max = 4096))]
    pub max_batch: usize,
    /// Most rows waiting; more are refused with `RESOURCE_EXHAUSTED`.
    // The queue must hold a frame with the most rows that the contract allows.
    #[schemars(range(min = MAX_ROWS, max = 1 << 20))]
    pub queue_rows: usize,
    /// Most rows of one connection waiting; unset is half of `inference.queue_rows`.
    ///
    /// More are refused with `RESOURCE_EXHAUSTED`, those of other connections are not. A single
    /// batch may be larger.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub caller_rows: Option<usize>,
    /// How long a row may wait for others to fill a run while a session is idle; 0s is not at all.
    ///
    /// 0s is the fastest in most cases: rows gather while a run is under way.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-range" = "at most 10s"))]
    pub max_delay: Duration,
    /// Niceness of the threads that run the model, as in nice(1); on Linux only.
    ///
    /// For a layer whose floods must not slow down another service of the machine. Above 0, only
    /// these threads run rows.
    #[schemars(range(min = 0, max = 19))]
    pub nice: u8,
}

impl InferenceConfig {
    pub(crate) fn options(&self) -> ModelOptions {
        ModelOptions {
            execution_provider: self.execution_provider,
            sessions: self.sessions,
            max_batch: self.max_batch,
            queue_rows: self.queue_rows,
            caller_rows: Some(self.caller_rows.unwrap_or(self.queue_rows / 2)),
            max_delay: self.max_delay,
            nice: self.nice,
            ..ModelOptions::default()
        }
    }
}

impl Default for InferenceConfig {
    fn default() -> Self {
        let options = ModelOptions::default();
        Self {
            library: None,
            execution_provider: options.execution_provider,
            sessions: options.sessions,
            max_batch: options.max_batch,
            queue_rows: options.queue_rows,
            caller_rows: None,
            max_delay: options.max_delay,
            nice: options.nice,
        }
    }
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("models"),
            version: None,
            versions: None,
            // Off: the layer serves a version that somebody copies or trains into the directory
            // only when an operator asks for it.
            poll_interval: Duration::ZERO,
            // In int8, the answer to a row depends a little on the rest of its batch:
            // docs/models.md.
            precision: Precision::Fp32,
        }
    }
}

impl<A: Layer> Default for LayerConfig<A> {
    fn default() -> Self {
        let (grpc, admin) = A::PORTS;
        Self {
            grpc: GrpcConfig::on_port(grpc),
            admin: AdminConfig::on_port(admin),
            catalogue: strata_catalogue::DEFAULT.to_owned(),
            models: ModelsConfig::default(),
            inference: InferenceConfig::default(),
            telemetry: TelemetryConfig::default(),
            shutdown: ShutdownConfig::default(),
            runtime: RuntimeConfig::default(),
            layer: PhantomData,
        }
    }
}

impl<A: Layer> Check for LayerConfig<A> {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("models", &self.models),
            ("grpc", &self.grpc),
            ("telemetry", &self.telemetry),
            ("shutdown", &self.shutdown),
            ("runtime", &self.runtime),
            ("inference", &self.inference),
        ])
    }
}

impl LayerSection {
    /// The defaults with these ports on the loopback interface.
    #[must_use]
    pub fn on_ports(grpc: u16, admin: u16) -> Self {
        Self {
            grpc: GrpcConfig::on_port(grpc),
            admin: AdminConfig::on_port(admin),
            catalogue: strata_catalogue::DEFAULT.to_owned(),
            models: ModelsConfig::default(),
            inference: InferenceConfig::default(),
        }
    }
}

impl Check for LayerSection {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("models", &self.models),
            ("grpc", &self.grpc),
            ("inference", &self.inference),
        ])
    }
}

impl Check for ModelsConfig {
    fn check(&self) -> Result<(), Invalid> {
        const RANGE: RangeInclusive<Duration> =
            Duration::from_millis(100)..=Duration::from_hours(24);
        if self.poll_interval.is_zero() || RANGE.contains(&self.poll_interval) {
            return Ok(());
        }
        Err(Invalid::new("poll_interval", "must be 0s (never) or from 100ms to 24h"))
    }
}

impl Check for InferenceConfig {
    fn check(&self) -> Result<(), Invalid> {
        if self.max_delay > LONGEST_DELAY {
            return Err(Invalid::new("max_delay", "must be at most 10s"));
        }
        Ok(())
    }
}

impl<A: Layer> ProcessConfig for LayerConfig<A> {
    fn process(&self) -> ProcessSettings<'_> {
        ProcessSettings {
            telemetry: &self.telemetry,
            shutdown: &self.shutdown,
            runtime: &self.runtime,
            // Separate threads run the models. More than one of these threads for two cores was
            // slower where all services share a machine.
            cores_per_worker: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        strata_chassis::assert_documented::<LayerConfig<crate::adapter::Strategic>>();
        strata_chassis::assert_documented::<LayerConfig<crate::adapter::Operational>>();
    }
}
