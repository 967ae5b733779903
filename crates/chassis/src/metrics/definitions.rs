//! Name, unit and help of every metric of this crate.

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    registry::{Metric, Registry, Unit},
};

/// What a metric is called and what it means. `prometheus-client` appends the unit and, to
/// counters, `_total`.
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) unit: Option<Unit>,
    pub(crate) help: &'static str,
}

impl Definition {
    pub(crate) fn register(&self, registry: &mut Registry, metric: impl Metric) {
        match &self.unit {
            Some(unit) => registry.register_with_unit(self.name, self.help, unit.clone(), metric),
            None => registry.register(self.name, self.help, metric),
        }
    }

    /// Writes a value that was found out just now.
    pub(crate) fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        metric: &impl EncodeMetric,
    ) -> Result<(), std::fmt::Error> {
        let Self { name, unit, help } = self;
        metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?)
    }
}

const fn plain(name: &'static str, help: &'static str) -> Definition {
    Definition { name, unit: None, help }
}

const fn with_unit(name: &'static str, unit: Unit, help: &'static str) -> Definition {
    Definition { name, unit: Some(unit), help }
}

pub(crate) const BUILD_INFO: Definition =
    plain("strata_build_info", "Always 1; the labels say what is running");

// The names, labels and codes of go-grpc-middleware: dashboards made for it work unchanged.
pub(crate) const RPC_STARTED: Definition =
    plain("grpc_server_started", "Calls that arrived, by method");
pub(crate) const RPC_HANDLED: Definition =
    plain("grpc_server_handled", "Calls that ended, by method and status code");
pub(crate) const RPC_SECONDS: Definition = with_unit(
    "grpc_server_handling",
    Unit::Seconds,
    "Time from the arrival of a call to its end, by method; streams end when they close",
);
pub(crate) const CONNECTIONS: Definition =
    plain("grpc_server_connections", "Connections open at the gRPC listener");

pub(crate) const IN_FLIGHT: Definition =
    plain("grpc_server_in_flight", "Accepted requests, rows of streams included, not answered yet");

/// Bounds of the buckets for times, in seconds: 50 us to 10 s. A decision takes about half a
/// millisecond, so most of the buckets are around one.
pub const SECONDS_BUCKETS: [f64; 20] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_4, 0.000_5, 0.000_75, 0.001, 0.001_5, 0.002, 0.003,
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

pub(crate) const SPANS_EXPORTED: Definition =
    plain("otlp_spans_exported", "Spans the OTLP collector took");
pub(crate) const SPANS_LOST: Definition =
    plain("otlp_spans_lost", "Spans of exports the OTLP collector did not take");

// The process metrics every Prometheus client library has.
pub(crate) const PROCESS_CPU: Definition =
    with_unit("process_cpu", Unit::Seconds, "CPU time spent in user and kernel mode");
pub(crate) const PROCESS_RESIDENT: Definition =
    with_unit("process_resident_memory", Unit::Bytes, "Memory held in RAM");
pub(crate) const PROCESS_VIRTUAL: Definition =
    with_unit("process_virtual_memory", Unit::Bytes, "Address space");
pub(crate) const PROCESS_START: Definition = with_unit(
    "process_start_time",
    Unit::Seconds,
    "Start of the process, in seconds since the Unix epoch",
);
pub(crate) const PROCESS_OPEN_FDS: Definition = plain("process_open_fds", "Open file descriptors");
pub(crate) const PROCESS_MAX_FDS: Definition =
    plain("process_max_fds", "File descriptors the process may open");
pub(crate) const PROCESS_THREADS: Definition = plain("process_threads", "Threads");
