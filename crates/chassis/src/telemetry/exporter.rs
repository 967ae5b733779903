//! The OTLP exporter, watched: an unreachable collector is one warning and two counters.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use prometheus_client::metrics::counter::Counter;

use super::error::TelemetryError;
use crate::{
    client::{ClientConfig, target},
    metrics::Metrics,
    report::BoxError,
};

/// An exporter to `endpoint` that connects when it first has spans.
pub(super) fn connect(
    endpoint: &str,
    timeout: Duration,
    metrics: &Metrics,
) -> Result<Watched, TelemetryError> {
    let refuse =
        |source: BoxError| TelemetryError::Endpoint { endpoint: endpoint.to_owned(), source };
    let target = target(endpoint, &ClientConfig::default()).map_err(|e| refuse(e.into()))?;
    // The exporter's own timeout only bounds its retries; this one ends a call that hangs.
    let channel = target.timeout(timeout).connect_lazy();
    let inner = OtlpExporter::builder()
        .with_tonic()
        .with_channel(channel)
        .with_timeout(timeout)
        .build()
        .map_err(|e| refuse(e.into()))?;
    Ok(Watched {
        inner,
        endpoint: endpoint.to_owned(),
        failing: AtomicBool::new(false),
        exported: metrics.spans_exported.clone(),
        lost: metrics.spans_lost.clone(),
    })
}

#[derive(Debug)]
pub(super) struct Watched {
    inner: OtlpExporter,
    endpoint: String,
    failing: AtomicBool,
    exported: Counter,
    lost: Counter,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.inner.export(batch).await;
        match &result {
            Ok(()) => {
                self.exported.inc_by(spans);
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(endpoint = self.endpoint, "spans are exported again");
                }
            }
            Err(error) => {
                self.lost.inc_by(spans);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        endpoint = self.endpoint,
                        %error,
                        "spans cannot be exported and are dropped until the collector answers"
                    );
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
