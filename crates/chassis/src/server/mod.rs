//! The gRPC server and the admin server: bound first, ready last, drained within one budget.

mod admin;
mod connection;
mod error;
mod health;
mod methods;
mod middleware;
mod services;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use self::{
    connection::{Acceptor, Connections, Ledger, Listener},
    middleware::{Parts, RpcMetrics},
};
use crate::{
    config::{AdminConfig, GrpcConfig, Listen},
    drain::Drain,
    metrics::Metrics,
};

pub use self::{
    connection::{InWork, Peer},
    error::ServerError,
    health::HealthHandle,
    services::Services,
};

/// Both listeners, bound, and the admin server, answering.
///
/// From [`bind`](Self::bind) on the admin server says live and not ready; calls to the gRPC
/// listener wait in the backlog until [`serve`](Self::serve). The binary says through the
/// [`HealthHandle`] when it is ready.
#[derive(Debug)]
pub struct Server {
    config: GrpcConfig,
    grpc: Acceptor,
    grpc_address: Listen,
    admin_address: SocketAddr,
    health: HealthHandle,
    metrics: Metrics,
    drain: Drain,
    admin: AbortOnDropHandle<()>,
}

impl Server {
    /// Binds the gRPC and the admin listener, logs where they are, and starts the admin server.
    ///
    /// # Errors
    /// [`ServerError::Bind`] with the address that cannot be had.
    pub async fn bind(
        grpc: &GrpcConfig,
        admin: &AdminConfig,
        metrics: &Metrics,
        drain: &Drain,
    ) -> Result<Self, ServerError> {
        let refused =
            |setting, address: Listen| move |source| ServerError::Bind { setting, address, source };
        let (listener, grpc_address) = Listener::bind(&grpc.listen, grpc.socket_mode)
            .await
            .map_err(refused("grpc.listen", grpc.listen.clone()))?;
        let (admin_listener, admin_address) = Listener::bind_tcp(admin.listen)
            .await
            .map_err(refused("admin.listen", admin.listen.into()))?;
        tracing::info!(grpc = %grpc_address, admin = %admin_address, "listening");
        metrics.watch(drain);
        let health = HealthHandle::new();
        let admin = admin::spawn(admin_listener, health.clone(), metrics.clone());
        Ok(Self {
            config: grpc.clone(),
            grpc: Acceptor::new("grpc", listener, grpc.max_connections),
            grpc_address,
            admin_address,
            health,
            metrics: metrics.clone(),
            drain: drain.clone(),
            admin: AbortOnDropHandle::new(admin),
        })
    }

    /// What gRPC clients connect to.
    #[must_use]
    pub fn grpc_address(&self) -> &Listen {
        &self.grpc_address
    }

    /// The address of the admin server.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The switch for readiness.
    #[must_use]
    pub fn health(&self) -> HealthHandle {
        self.health.clone()
    }

    /// Serves `services`, health and reflection until the drain is over.
    ///
    /// The drain: at once not ready, for gRPC health and `/readyz` alike; calls are still taken
    /// for the settle time; then no new connections or calls, while those in progress are answered;
    /// then, shortly before the grace budget is over, the cut.
    ///
    /// # Errors
    /// [`ServerError`] for descriptors that do not fit the services, and [`ServerError::Cut`] if
    /// accepted work was left when the budget was over. Streams that were merely open do not count.
    pub async fn serve(self, services: Services) -> Result<(), ServerError> {
        let methods = Arc::new(services.methods()?);
        let routes = services.routes(&self.health).await?;
        let stop = CancellationToken::new();
        let cut = CancellationToken::new();
        let service = middleware::build(
            routes,
            Parts {
                rpc: RpcMetrics::register(&self.metrics, &methods),
                methods: Arc::clone(&methods),
                max_concurrent_calls: self.config.max_concurrent_calls,
                drain: self.drain.clone(),
                stop: stop.clone(),
            },
        );
        let connections = Connections {
            http: connection::http2(&self.config),
            handshake_timeout: self.config.handshake_timeout,
            open: self.metrics.connections.clone(),
            methods,
            incomplete: Arc::new(Ledger::new(&self.config, self.drain.clone())),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            cut: cut.clone(),
        };
        let tasks = connections.tasks.clone();
        // When this future is dropped, accepting ends and connections are cut.
        let accepting =
            AbortOnDropHandle::new(tokio::spawn(connections.accept(self.grpc, service)));
        let cut = cut.drop_guard();

        self.drain.started().await;
        self.health.drain().await;
        tokio::time::sleep(self.drain.settle_remaining()).await;
        stop.cancel();
        // The listener closes before connections are counted, so that none is missed.
        let _ = accepting.await;
        let outcome = answer_all(&self.drain, &tasks).await;
        drop(cut);
        // Each task ends at its next poll; a second is for a very busy machine.
        let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait()).await;
        drop(self.admin);
        outcome
    }
}

/// Waits until every connection has ended and all accepted work is answered, or for the cut.
async fn answer_all(drain: &Drain, connections: &TaskTracker) -> Result<(), ServerError> {
    connections.close();
    let answered = async {
        connections.wait().await;
        drain.idle().await;
    };
    if tokio::time::timeout(drain.cut_remaining(), answered).await.is_ok() {
        return Ok(());
    }
    let in_flight = drain.in_flight();
    tracing::warn!(connections = connections.len(), in_flight, "cutting connections");
    match in_flight {
        0 => Ok(()),
        in_flight => Err(ServerError::Cut { in_flight }),
    }
}
