use std::{marker::PhantomData, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, Documented, GrpcConfig, Help, Invalid, ProcessConfig, ProcessSettings,
    RuntimeConfig, ShutdownConfig, TelemetryConfig,
};
use strata_runtime::{ExecutionProvider, ModelOptions, Precision};

use crate::{layers::Layer, models::Policy, serving::MAX_ROWS};

/// Every setting of a layer process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "")]
pub(crate) struct LayerConfig<A: Layer> {
    /// The gRPC listener.
    pub(crate) grpc: GrpcConfig,
    /// The admin listener.
    pub(crate) admin: AdminConfig,
    /// Which model is served.
    pub(crate) models: ModelsConfig,
    /// How it is run.
    pub(crate) inference: InferenceConfig,
    /// Traces and logs.
    pub(crate) telemetry: TelemetryConfig,
    /// The end of the process.
    pub(crate) shutdown: ShutdownConfig,
    /// Threads.
    pub(crate) runtime: RuntimeConfig,
    #[serde(skip)]
    layer: PhantomData<fn() -> A>,
}

/// Every setting of a layer that shares its process with others: what is left of a layer's settings
/// when threads, telemetry and the end of the process are said once for all.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSection {
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// Which model is served.
    pub models: ModelsConfig,
    /// How it is run.
    pub inference: InferenceConfig,
}

/// Which model is served.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// The repository: `<dir>/<layer>/<version>/`.
    pub dir: PathBuf,
    /// The version that gets the traffic at the start; unset is the newest of those that `versions`
    /// wants.
    pub version: Option<u32>,
    /// Which versions are kept loaded; unset is `version`, or else the newest.
    pub versions: Option<Policy>,
    /// How often the repository is looked at for new versions; zero is never.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// In which numbers versions compute; one without such a variant computes in fp32.
    pub precision: Precision,
}

impl ModelsConfig {
    /// Which versions are kept loaded.
    pub(crate) fn policy(&self) -> Policy {
        match (&self.versions, self.version) {
            (Some(policy), _) => policy.clone(),
            (None, Some(version)) => Policy::Listed([version].into()),
            (None, None) => Policy::Latest(1),
        }
    }
}

/// Far beyond what any delay gains.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// How the model is run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    /// The ONNX Runtime library; unset: `STRATA_ORT_LIB`, then the usual places.
    pub library: Option<PathBuf>,
    /// Where the graph runs.
    pub execution_provider: ExecutionProvider,
    /// Sessions, each on a thread of its own.
    pub sessions: usize,
    /// Most rows in one run.
    pub max_batch: usize,
    /// Most rows waiting.
    pub queue_rows: usize,
    /// Most rows of one caller waiting; unset is half of `queue_rows`.
    pub caller_rows: Option<usize>,
    /// How long a row may wait for others to fill a run; zero is not at all.
    #[serde(with = "humantime_serde")]
    pub max_delay: Duration,
    /// How far the model's threads step back behind others of the machine; 0 to 19.
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
            // Off: a version that somebody copies or trains into the directory is served when
            // somebody says so.
            poll_interval: Duration::ZERO,
            // In int8 what a row is answered depends a little on the rows it is run with:
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
            models: ModelsConfig::default(),
            inference: InferenceConfig::default(),
            telemetry: TelemetryConfig::default(),
            shutdown: ShutdownConfig::default(),
            runtime: RuntimeConfig::default(),
            layer: PhantomData,
        }
    }
}

impl<A: Layer> Documented for LayerConfig<A> {
    fn help() -> Help {
        LayerSection::help()
            .section::<TelemetryConfig>("telemetry")
            .section::<ShutdownConfig>("shutdown")
            .section::<RuntimeConfig>("runtime")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.models.check().map_err(|invalid| invalid.within("models"))?;
        self.grpc.check().map_err(|invalid| invalid.within("grpc"))?;
        self.telemetry.check().map_err(|invalid| invalid.within("telemetry"))?;
        self.shutdown.check().map_err(|invalid| invalid.within("shutdown"))?;
        self.runtime.check().map_err(|invalid| invalid.within("runtime"))?;
        self.inference.check().map_err(|invalid| invalid.within("inference"))
    }
}

impl LayerSection {
    /// The defaults with these ports on the loopback interface.
    #[must_use]
    pub fn on_ports(grpc: u16, admin: u16) -> Self {
        Self {
            grpc: GrpcConfig::on_port(grpc),
            admin: AdminConfig::on_port(admin),
            models: ModelsConfig::default(),
            inference: InferenceConfig::default(),
        }
    }
}

impl Documented for LayerSection {
    fn help() -> Help {
        Help::default()
            .section::<GrpcConfig>("grpc")
            .section::<AdminConfig>("admin")
            .section::<ModelsConfig>("models")
            .section::<InferenceConfig>("inference")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.models.check().map_err(|invalid| invalid.within("models"))?;
        self.grpc.check().map_err(|invalid| invalid.within("grpc"))?;
        self.inference.check().map_err(|invalid| invalid.within("inference"))
    }
}

impl Documented for ModelsConfig {
    fn help() -> Help {
        Help::of(&[
            ("dir", "Model repository: DIR/<layer>/<version>/{model.onnx,manifest.yaml}"),
            ("version", "Version that gets the traffic at the start; unset is the newest"),
            ("versions", "Versions kept loaded: latest:N, all, or 1,2; unset: that one"),
            ("poll_interval", "How often DIR is looked at for new versions; 0s is never"),
            ("precision", "fp32, or int8: the quantised variant of versions that have one"),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        const RANGE: RangeInclusive<Duration> =
            Duration::from_millis(100)..=Duration::from_hours(24);
        if self.poll_interval.is_zero() || RANGE.contains(&self.poll_interval) {
            return Ok(());
        }
        Err(Invalid::new("poll_interval", "must be 0s (never) or from 100ms to 24h"))
    }
}

impl Documented for InferenceConfig {
    fn help() -> Help {
        Help::of(&[
            ("library", "ONNX Runtime library; unset: STRATA_ORT_LIB, then .ort/"),
            ("execution_provider", "cpu, cuda, or auto: cuda if it can be had, else cpu"),
            ("sessions", "Sessions of the model, each on a thread of its own"),
            ("max_batch", "Most rows in one run of the model"),
            ("queue_rows", "Most rows waiting; more are refused with RESOURCE_EXHAUSTED"),
            ("caller_rows", "Most rows of one connection waiting; unset: half of queue_rows"),
            ("max_delay", "How long a row may wait for others to fill a run; 0s: not at all"),
            ("nice", "How far the model's threads step back behind others, 0 to 19 as in nice(1)"),
        ])
    }

    fn check(&self) -> Result<(), Invalid> {
        for (name, value, min, max) in [
            ("sessions", self.sessions, 1, 64),
            ("max_batch", self.max_batch, 1, 4096),
            // A frame of the most rows the contract allows must fit.
            ("queue_rows", self.queue_rows, MAX_ROWS, 1 << 20),
            ("caller_rows", self.caller_rows.unwrap_or(1), 1, 1 << 20),
        ] {
            if !(min..=max).contains(&value) {
                return Err(Invalid::new(name, format!("must be from {min} to {max}")));
            }
        }
        if self.nice > 19 {
            return Err(Invalid::new("nice", "must be from 0 to 19"));
        }
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
            // Threads of their own run the models; more than one of these for two cores was slower
            // where all services share a machine.
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
