//! `strata health`

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use strata_chassis::ClientConfig;
use strata_load::{DEFAULT_ENDPOINT, Refusal};
use strata_terminal::{parse_duration, say};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Ask a server whether it is ready, by the gRPC health protocol.
///
/// Prints SERVING and exits with 0 if it is ready. Exits with 1 if it is not ready, does not
/// answer, or does not know the service.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The server: the coordinator or a layer
    #[arg(value_name = "URL", env = "STRATA_ENDPOINT", default_value = DEFAULT_ENDPOINT)]
    endpoint: String,
    /// One of its services, such as strata.v1.Coordinator [default: the server as a whole]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
    /// Time in which the server must answer
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    timeout: Duration,
}

impl Health {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { endpoint, service, timeout } = self;
        let channel = strata_chassis::channel(&endpoint, &ClientConfig::default())?;
        let mut client = HealthClient::new(channel);
        let answer = tokio::time::timeout(timeout, client.check(HealthCheckRequest { service }))
            .await
            .with_context(|| format!("{endpoint} does not answer"))?
            .map_err(Refusal::of)
            .with_context(|| format!("no health from {endpoint}"))?;
        match answer.get_ref().status().as_str_name() {
            "SERVING" => say("SERVING")?,
            state => bail!("{endpoint} says {state}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic_health::{ServingStatus, server::HealthReporter};

    use super::*;

    /// A server, its address, and the switch for its health.
    async fn server() -> (String, HealthReporter) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (reporter, service) = tonic_health::server::health_reporter();
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        (endpoint, reporter)
    }

    async fn ask(endpoint: &str, service: &str) -> Result<ExitCode, String> {
        let timeout = Duration::from_secs(10);
        let (endpoint, service) = (endpoint.to_owned(), service.to_owned());
        let outcome = Health { endpoint, service, timeout }.run().await;
        outcome.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn only_serving_is_healthy() {
        let (endpoint, reporter) = server().await;
        assert_eq!(ask(&endpoint, "").await, Ok(ExitCode::SUCCESS));
        reporter.set_service_status("", ServingStatus::NotServing).await;
        reporter.set_service_status("strata.v1.Tactical", ServingStatus::Serving).await;
        assert_eq!(ask(&endpoint, "").await, Err(format!("{endpoint} says NOT_SERVING")));
        assert_eq!(ask(&endpoint, "strata.v1.Tactical").await, Ok(ExitCode::SUCCESS));
        reporter.set_service_status("strata.v1.Tactical", ServingStatus::Unknown).await;
        let unknown = ask(&endpoint, "strata.v1.Tactical").await;
        assert_eq!(unknown, Err(format!("{endpoint} says UNKNOWN")));
        let error = ask(&endpoint, "strata.v1.Nothing").await.unwrap_err();
        assert!(error.contains("NOT_FOUND"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_not_healthy() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = ask(&format!("http://{free}"), "").await.unwrap_err();
        assert!(error.contains("UNAVAILABLE"), "{error}");
        let error = ask("ftp://127.0.0.1", "").await.unwrap_err();
        assert!(error.contains("ftp"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let timeout = Duration::from_millis(50);
        let health = Health { endpoint: endpoint.clone(), service: String::new(), timeout };
        let error = health.run().await.unwrap_err();
        assert!(format!("{error:#}").starts_with(&format!("{endpoint} does not answer")));
    }
}
