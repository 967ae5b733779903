use crate::report::BoxError;

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The log filter is not a list of directives.
    #[error("telemetry.log.filter is not a filter")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The collector's address cannot be used.
    #[error("telemetry.otlp.endpoint {endpoint:?} cannot be used; write http://host:port")]
    Endpoint {
        /// The address.
        endpoint: String,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// Something in this process has set up logging before.
    #[error("logging is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}
