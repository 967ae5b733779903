//! Logs on standard error, and traces to an OTLP collector if there is one.

mod error;
mod exporter;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler as SdkSampler, SdkTracerProvider},
};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::{Layer, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    config::{Binary, LogConfig, LogFormat, OtlpConfig, Sampler, TelemetryConfig},
    metrics::Metrics,
    trace::TRACE_TARGET,
};

pub use self::error::TelemetryError;

/// The telemetry of a running process. Flush it last.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logs and, if an endpoint is set, traces, for the whole process. Panics are logged
    /// from now on.
    ///
    /// Call it inside a tokio runtime: the exporter's connection lives there.
    ///
    /// # Errors
    /// [`TelemetryError`]. An unreachable collector is no error: it is warned about when the first
    /// export fails, and spans are dropped until it answers.
    pub fn init(
        config: &TelemetryConfig,
        binary: &Binary,
        metrics: &Metrics,
    ) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::try_new(&config.log.filter).map_err(TelemetryError::Filter)?;
        let traces = match config.otlp.endpoint() {
            Some(endpoint) => Some(provider(endpoint, &config.otlp, binary, metrics)?),
            None => None,
        };
        let registry = tracing_subscriber::registry();
        // Two subscribers, not one with an optional layer: with an absent layer `tracing` would
        // still ask for each span of a request ("sometimes"). Without a collector no layer wants
        // their target, and their callsites are switched off.
        let started = match &traces {
            Some(traces) => {
                registry.with(spans(traces)).with(lines(&config.log, filter)).try_init()
            }
            None => registry.with(lines(&config.log, filter)).try_init(),
        };
        started.map_err(TelemetryError::Twice)?;
        log_panics();
        Ok(Self { traces })
    }

    /// Exports the spans that are still waiting, for at most `budget`.
    pub async fn flush(self, budget: Duration) {
        let Some(traces) = self.traces else { return };
        let flush = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(budget));
        match tokio::time::timeout(budget, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans were not exported"),
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not exported"),
            Err(_) => tracing::warn!(?budget, "no time to export the last spans"),
        }
    }
}

fn is_trace(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TRACE_TARGET
}

fn is_log(metadata: &Metadata<'_>) -> bool {
    !is_trace(metadata)
}

/// Spans of requests, and nothing else, for the collector.
fn spans<S>(traces: &SdkTracerProvider) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("strata"))
        // Parents are given, or found among the entered spans. The rest are attributes and
        // thread-local state that nothing here reads and each span would pay for.
        .with_context_activation(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_trace))
}

/// Everything but spans of requests, as `filter` allows, for standard error.
fn lines<S>(config: &LogConfig, filter: EnvFilter) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let terminal = std::io::stderr().is_terminal();
    let layer = fmt::layer().with_writer(std::io::stderr);
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !terminal,
    };
    let layer = if json {
        // Fields stand beside "level" and "message", where log stores index them.
        let json = layer.json().flatten_event(true).with_span_list(false).with_current_span(false);
        json.boxed()
    } else {
        layer.with_ansi(terminal).boxed()
    };
    layer.with_filter(filter_fn(is_log).and(filter))
}

fn provider(
    endpoint: &str,
    config: &OtlpConfig,
    binary: &Binary,
    metrics: &Metrics,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = exporter::connect(endpoint, config.timeout, metrics)?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(config.queue_size)
        .with_max_export_batch_size(config.batch_size)
        .with_scheduled_delay(config.delay)
        .build();
    // `OTEL_RESOURCE_ATTRIBUTES` adds to these; the name is ours.
    let resource = Resource::builder()
        .with_service_name(format!("strata-{}", binary.name))
        .with_attributes([
            KeyValue::new("service.version", binary.version),
            KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()),
        ])
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampler(config))
        .with_span_processor(
            BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
        )
        .build())
}

fn sampler(config: &OtlpConfig) -> SdkSampler {
    let ratio = SdkSampler::TraceIdRatioBased(config.sampler_ratio);
    let parent_based = |root| SdkSampler::ParentBased(Box::new(root));
    match config.sampler {
        Sampler::AlwaysOn => SdkSampler::AlwaysOn,
        Sampler::AlwaysOff => SdkSampler::AlwaysOff,
        Sampler::TraceIdRatio => ratio,
        Sampler::ParentBasedAlwaysOn => parent_based(SdkSampler::AlwaysOn),
        Sampler::ParentBasedAlwaysOff => parent_based(SdkSampler::AlwaysOff),
        Sampler::ParentBasedTraceIdRatio => parent_based(ratio),
    }
}

/// A panic is a log line like any other, so that JSON logs stay JSON.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = match payload.downcast_ref::<&str>() {
            Some(text) => text,
            None => payload.downcast_ref::<String>().map_or("", String::as_str),
        };
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        // Taken only if the environment asks for it: `RUST_BACKTRACE=1`.
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        let backtrace = backtrace.as_ref().map(tracing::field::display);
        tracing::error!(panic = message, location, backtrace, "panicked");
    }));
}
