use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::config::{
    check::{Check, check_sections},
    duration::Timeout,
    error::Invalid,
};

/// Traces and logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Where traces go.
    pub otlp: OtlpConfig,
    /// What logs look like.
    pub log: LogConfig,
}

impl Check for TelemetryConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[("otlp", &self.otlp), ("log", &self.log)])
    }
}

/// Export of traces over OTLP/gRPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// OTLP/gRPC collector, `http://host:4317`; unset or empty turns tracing off.
    pub endpoint: Option<String>,
    /// `always_on`, `always_off`, `traceidratio`, or `parentbased_` and one of these.
    pub sampler: Sampler,
    /// Share of traces that the ratio samplers keep.
    #[schemars(range(min = 0, max = 1))]
    pub sampler_ratio: f64,
    /// Time one export may take.
    #[serde(with = "Timeout")]
    pub timeout: Duration,
    /// Finished spans that may wait for export; more are dropped.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub queue_size: usize,
    /// Spans in one export.
    #[schemars(extend("x-range" = "1 to telemetry.otlp.queue_size"))]
    pub batch_size: usize,
    /// Longest time a finished span waits for its batch to fill.
    #[serde(with = "Timeout")]
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

impl Check for OtlpConfig {
    fn check(&self) -> Result<(), Invalid> {
        if !(1..=self.queue_size).contains(&self.batch_size) {
            return Err(Invalid::new("batch_size", "must be from 1 to queue_size"));
        }
        Ok(())
    }
}

/// Which traces are kept, by OpenTelemetry's own names (`OTEL_TRACES_SAMPLER`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `auto`, `json` or `human`; `auto` is human on a terminal and json elsewhere.
    pub format: LogFormat,
    /// Levels: `info`, or by module `info,strata_coordinator=debug`.
    ///
    /// The directives are those of `EnvFilter` in tracing-subscriber.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info".to_owned() }
    }
}

impl Check for LogConfig {
    fn check(&self) -> Result<(), Invalid> {
        match EnvFilter::try_new(&self.filter) {
            Ok(_) => Ok(()),
            Err(error) => Err(Invalid::new("filter", error.to_string())),
        }
    }
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
