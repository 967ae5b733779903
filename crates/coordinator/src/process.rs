use std::{process::ExitCode, sync::Arc};

use strata_chassis::{Binary, BoxError, ClientError, HealthHandle, Process, Server, Services};
use strata_wire::{FILE_DESCRIPTOR_SET, pb::coordinator_server::CoordinatorServer};
use tokio::sync::Notify;

use crate::{
    config::CoordinatorConfig,
    link::{Hop, LinkSettings, Replicas},
    metrics::CoordinatorMetrics,
    pipeline::Pipeline,
    service::Decider,
};

const BINARY: Binary = Binary {
    name: "coordinator",
    about: "The coordinator of Strata: asks the three layers and answers with a decision",
    env_prefix: "STRATA_COORDINATOR",
    version: env!("CARGO_PKG_VERSION"),
};

/// Runs the coordinator's process: the whole of its `main`.
pub fn run() -> ExitCode {
    strata_chassis::run(BINARY, serve)
}

async fn serve(process: Process<CoordinatorConfig>) -> Result<(), BoxError> {
    let Process { config, metrics, drain, .. } = process;
    let server = Server::bind(&config.grpc, &config.admin, &metrics, &drain).await?;
    let counted = CoordinatorMetrics::register(&metrics);
    let came_up = Arc::new(Notify::new());
    let pipeline = connect(&config, counted, &came_up)?;
    CoordinatorMetrics::watch(&metrics, &pipeline);
    tokio::spawn(ready_when_complete(pipeline.clone(), came_up, server.health()));
    let decider = Decider { pipeline, limits: config.requests, drain };
    let service = CoordinatorServer::new(decider)
        .max_decoding_message_size(config.grpc.max_message_bytes)
        .max_encoding_message_size(config.grpc.max_message_bytes);
    let services = Services::described_by(&[FILE_DESCRIPTOR_SET]).with(service);
    server.serve(services).await?;
    Ok(())
}

fn connect(
    config: &CoordinatorConfig,
    metrics: CoordinatorMetrics,
    came_up: &Arc<Notify>,
) -> Result<Pipeline, ClientError> {
    let layers = &config.layers;
    let settings = |layer: &'static str| LinkSettings {
        client: config.client.clone(),
        queue_rows: layers.queue_rows,
        max_backoff: layers.max_backoff,
        max_message_bytes: config.grpc.max_message_bytes,
        resolve_interval: layers.resolve_interval,
        connected: metrics.links(layer),
        came_up: Arc::clone(came_up),
    };
    fn find<H: Hop>(
        endpoints: &[String],
        settings: impl Fn(&'static str) -> LinkSettings,
    ) -> Result<Replicas<H>, ClientError> {
        Replicas::find(endpoints, settings(H::LAYER))
    }
    Ok(Pipeline {
        strategic: find(&layers.strategic, settings)?,
        tactical: find(&layers.tactical, settings)?,
        operational: find(&layers.operational, settings)?,
        metrics: metrics.clone(),
    })
}

/// Says ready once every layer has been reached. A layer that goes away later is told in answers, not by taking the whole coordinator
/// out of service.
async fn ready_when_complete(pipeline: Pipeline, came_up: Arc<Notify>, health: HealthHandle) {
    loop {
        // Listens before it looks: a stream that comes up in between is not missed.
        let next = came_up.notified();
        if pipeline.is_complete() {
            return health.serving().await;
        }
        next.await;
    }
}
