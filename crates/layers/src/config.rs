use std::{marker::PhantomData, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, Documented, GrpcConfig, Help, Invalid, ProcessConfig, ProcessSettings,
    RuntimeConfig, ShutdownConfig, TelemetryConfig,
};
use strata_runtime::{ExecutionProvider, ModelOptions};

use crate::{frame::MAX_ROWS, process::Layer, versions::Policy};

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

/// Which model is served.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelsConfig {
    /// The repository: `<dir>/<layer>/<version>/`.
    pub(crate) dir: PathBuf,
    /// The version that gets the traffic at the start; unset is the newest of those that `versions` wants.
    pub(crate) version: Option<u32>,
    /// Which versions are kept loaded; unset is `version`, or else the newest.
    pub(crate) versions: Option<Policy>,
    /// How often the repository is looked at for new versions; zero is never.
    #[serde(with = "humantime_serde")]
    pub(crate) poll_interval: Duration,
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

    fn check(&self) -> Result<(), Invalid> {
        const RANGE: RangeInclusive<Duration> =
            Duration::from_millis(100)..=Duration::from_hours(24);
        if self.poll_interval.is_zero() || RANGE.contains(&self.poll_interval) {
            return Ok(());
        }
        Err(Invalid::new("models.poll_interval", "must be 0s (never) or from 100ms to 24h"))
    }
}

/// How the model is run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InferenceConfig {
    /// The ONNX Runtime library; unset: `STRATA_ORT_LIB`, then the usual places.
    pub(crate) library: Option<PathBuf>,
    /// Where the graph runs.
    pub(crate) execution_provider: ExecutionProvider,
    /// Sessions, each on a thread of its own.
    pub(crate) sessions: usize,
    /// Most rows in one run.
    pub(crate) max_batch: usize,
    /// Most rows waiting.
    pub(crate) queue_rows: usize,
}

impl InferenceConfig {
    pub(crate) fn options(&self) -> ModelOptions {
        ModelOptions {
            execution_provider: self.execution_provider,
            sessions: self.sessions,
            max_batch: self.max_batch,
            queue_rows: self.queue_rows,
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
        }
    }
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("models"),
            version: None,
            versions: None,
            // Off: a version that somebody copies or trains into the directory is served when somebody says so.
            poll_interval: Duration::ZERO,
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
        Help::of(&[
            ("models.dir", "Model repository: DIR/<layer>/<version>/{model.onnx,manifest.yaml}"),
            ("models.version", "Version that gets the traffic at the start; unset is the newest"),
            ("models.versions", "Versions kept loaded: latest:N, all, or 1,2; unset: that one"),
            ("models.poll_interval", "How often DIR is looked at for new versions; 0s is never"),
            ("inference.library", "ONNX Runtime library; unset: STRATA_ORT_LIB, then .ort/"),
            ("inference.execution_provider", "cpu, cuda, or auto: cuda if it can be had, else cpu"),
            ("inference.sessions", "Sessions of the model, each on a thread of its own"),
            ("inference.max_batch", "Most rows in one run of the model"),
            ("inference.queue_rows", "Most rows waiting; more are refused with RESOURCE_EXHAUSTED"),
        ])
        .section::<GrpcConfig>("grpc")
        .section::<AdminConfig>("admin")
        .section::<TelemetryConfig>("telemetry")
        .section::<ShutdownConfig>("shutdown")
        .section::<RuntimeConfig>("runtime")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.models.check()?;
        self.grpc.check().map_err(|invalid| invalid.within("grpc"))?;
        self.telemetry.check().map_err(|invalid| invalid.within("telemetry"))?;
        self.shutdown.check().map_err(|invalid| invalid.within("shutdown"))?;
        self.runtime.check().map_err(|invalid| invalid.within("runtime"))?;
        for (name, value, min, max) in [
            ("inference.sessions", self.inference.sessions, 1, 64),
            ("inference.max_batch", self.inference.max_batch, 1, 4096),
            // A frame of the most rows the contract allows must fit.
            ("inference.queue_rows", self.inference.queue_rows, MAX_ROWS, 1 << 20),
        ] {
            if !(min..=max).contains(&value) {
                return Err(Invalid::new(name, format!("must be from {min} to {max}")));
            }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        strata_chassis::assert_documented::<LayerConfig<crate::strategic::Strategic>>();
        strata_chassis::assert_documented::<LayerConfig<crate::operational::Operational>>();
    }
}
