//! The admin server: plain HTTP for probes and scrapes.

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::task::{JoinHandle, JoinSet};

use super::{
    connection::{Accepted, Acceptor, Listener},
    health::HealthHandle,
};
use crate::metrics::Metrics;

/// Probes, scrapers and people need a handful.
const MAX_CONNECTIONS: usize = 64;
/// Time a client has to send its request; idle connections are closed after it as well.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
struct Admin {
    health: HealthHandle,
    metrics: Metrics,
}

/// Serves until the task is aborted; the connections end with it.
pub(super) fn spawn(listener: Listener, health: HealthHandle, metrics: Metrics) -> JoinHandle<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Admin { health, metrics });
    tokio::spawn(accept(Acceptor::new("admin", listener, MAX_CONNECTIONS), router))
}

async fn accept(acceptor: Acceptor, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(READ_TIMEOUT);
    let mut connections = JoinSet::new();
    loop {
        let Accepted { opened, permit } = tokio::select! {
            accepted = acceptor.accept() => accepted,
            // Removes connections that have ended from the set.
            Some(_) = connections.join_next() => continue,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(opened.stream), service);
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "admin connection ended by an error");
            }
        });
    }
}

/// Live means that the process runs code. A check of anything else would turn a slow model load
/// into a restart.
async fn livez() -> &'static str {
    "live\n"
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    match admin.health.is_serving() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

async fn scrape(State(admin): State<Admin>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], admin.metrics.encode())
}
