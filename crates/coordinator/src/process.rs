//! The coordinator as a process: configuration, links to the layers, services.

use std::{process::ExitCode, sync::Arc};

use strata_chassis::{
    Binary, BoxError, ClientError, ConfigError, Drain, HealthHandle, Metrics, Process, Server,
    Services, Setting,
};
use strata_wire::{
    FILE_DESCRIPTOR_SET, Fault, Forecasting, Hop, Placing, Selecting,
    pb::{
        catalogues_server::CataloguesServer, coordinator_server::CoordinatorServer,
        releases_server::ReleasesServer,
    },
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use crate::{
    catalogue::{CatalogueRegister, CataloguesService, expose_catalogue, reload_on_hangup},
    config::{CoordinatorConfig, CoordinatorSection, LayersConfig},
    deciding::Pipeline,
    front::Decider,
    link::{Layer, Layers, LinkSettings, LocalLayers, Needs, Replicas},
    metrics::CoordinatorMetrics,
    releases::{Register, ReleasesService, expose_release},
};

const BINARY: Binary = Binary {
    name: "coordinator",
    about: "The coordinator of Strata: asks the three layers and answers with a decision",
    env_prefix: "STRATA_COORDINATOR",
    version: env!("CARGO_PKG_VERSION"),
};

/// Largest request in bytes. A request with every field has 3 KB; the rest leaves room for fields
/// of later versions. A caller may send a part of a message and stop, on each of its calls, so the
/// limit bounds the memory that these parts hold.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Runs the coordinator's process: all of its `main`.
pub fn run() -> ExitCode {
    strata_chassis::run(BINARY, serve)
}

/// The coordinator's program and its settings, for the documentation.
///
/// # Errors
/// Default settings that cannot be serialized.
pub fn settings() -> Result<(Binary, Vec<Setting>), ConfigError> {
    Ok((BINARY, strata_chassis::settings::<CoordinatorConfig>()?))
}

async fn serve(process: Process<CoordinatorConfig>) -> Result<(), BoxError> {
    let Process { config, metrics, drain, .. } = process;
    let CoordinatorConfig { grpc, admin, layers, catalogue, requests, release, client, .. } =
        config;
    let front = CoordinatorSection { grpc, admin, catalogue, requests, release };
    let max_message_bytes = front.grpc.max_message_bytes;
    let links = |metrics: &CoordinatorMetrics, came_up: &Arc<Notify>, releases: &Register| {
        connect(&layers, releases, |layer, needs| LinkSettings {
            client: client.clone(),
            queue_rows: layers.queue_rows,
            max_backoff: layers.max_backoff,
            max_message_bytes,
            resolve_interval: layers.resolve_interval,
            connected: metrics.links(layer),
            came_up: Arc::clone(came_up),
            needs,
        })
    };
    serve_front(&front, links, &metrics, drain).await
}

/// Serves a coordinator whose layers are in this process, until the drain is over. The layers must
/// be ready, and must answer until this returns.
///
/// # Errors
/// A release in the settings that cannot be loaded, a listener that cannot be bound, or accepted
/// work that was not finished within the grace budget.
pub async fn serve_beside(
    section: &CoordinatorSection,
    layers: LocalLayers,
    metrics: &Metrics,
    drain: Drain,
) -> Result<(), BoxError> {
    if let Some(release) = section.release.release() {
        // Remote replicas load the release when they connect; these layers are connected already.
        load(&layers, release.versions()).await?;
    }
    serve_front(section, |_, _, _| Ok(layers.into()), metrics, drain).await
}

/// Loads the versions on the three layers, in the order of the chain.
async fn load(layers: &LocalLayers, versions: [u32; 3]) -> Result<(), Fault> {
    let Layers { strategic, tactical, operational } = layers.clone().into();
    strategic.load(versions[0]).await?;
    tactical.load(versions[1]).await?;
    operational.load(versions[2]).await
}

async fn serve_front(
    front: &CoordinatorSection,
    links: impl FnOnce(&CoordinatorMetrics, &Arc<Notify>, &Register) -> Result<Layers, ClientError>,
    metrics: &Metrics,
    drain: Drain,
) -> Result<(), BoxError> {
    let server = Server::bind(&front.grpc, &front.admin, metrics, &drain).await?;
    let counted = CoordinatorMetrics::register(metrics);
    let came_up = Arc::new(Notify::new());
    let releases = Arc::new(Register::starting_with(front.release.release()));
    let catalogue = Arc::new(CatalogueRegister::open(&front.catalogue)?);
    let layers = links(&counted, &came_up, &releases)?;
    let pipeline = Pipeline {
        layers,
        releases,
        catalogue: Arc::clone(&catalogue),
        deciding: Arc::default(),
        one_worker: Handle::current().metrics().num_workers() == 1,
        speculation: front.requests.speculation,
        activity: drain.activity().clone(),
        metrics: counted,
    };
    let layers = pipeline.layers.clone();
    CoordinatorMetrics::expose_queues(metrics, move || layers.waiting());
    expose_release(metrics, Arc::clone(&pipeline.releases));
    expose_catalogue(metrics, Arc::clone(&catalogue));
    tokio::spawn(reload_on_hangup(Arc::clone(&catalogue)));
    tokio::spawn(ready_when_complete(pipeline.clone(), came_up, server.health()));
    let largest = front.grpc.max_message_bytes.min(MAX_REQUEST_BYTES);
    let releases = ReleasesServer::new(ReleasesService(pipeline.clone()))
        .max_decoding_message_size(largest)
        .max_encoding_message_size(front.grpc.max_message_bytes);
    let decider = Decider { pipeline, limits: front.requests.clone(), drain };
    let service = CoordinatorServer::new(decider)
        .max_decoding_message_size(largest)
        .max_encoding_message_size(front.grpc.max_message_bytes);
    let catalogues = CataloguesServer::new(CataloguesService(catalogue))
        .max_decoding_message_size(largest)
        .max_encoding_message_size(front.grpc.max_message_bytes);
    let services = Services::described_by(&[FILE_DESCRIPTOR_SET])
        .with(service)
        .with(releases)
        .with(catalogues);
    server.serve(services).await?;
    Ok(())
}

fn connect(
    layers: &LayersConfig,
    releases: &Register,
    settings: impl Fn(&'static str, watch::Receiver<Needs>) -> LinkSettings,
) -> Result<Layers, ClientError> {
    let [strategic, tactical, operational] = releases.needs();
    let (strategic, tactical, operational) = (
        settings(Selecting::LAYER, strategic),
        settings(Placing::LAYER, tactical),
        settings(Forecasting::LAYER, operational),
    );
    Ok(Layers {
        strategic: Replicas::find(&layers.strategic, strategic).map(Layer::Remote)?,
        tactical: Replicas::find(&layers.tactical, tactical).map(Layer::Remote)?,
        operational: Replicas::find(&layers.operational, operational).map(Layer::Remote)?,
    })
}

/// Reports readiness once the coordinator has reached every layer. When a layer goes away later,
/// the coordinator stays in service and answers with faults.
async fn ready_when_complete(pipeline: Pipeline, came_up: Arc<Notify>, health: HealthHandle) {
    loop {
        // Registers before the check, so that a stream that comes up in between is not missed.
        let next = came_up.notified();
        if pipeline.layers.are_up() {
            return health.serving().await;
        }
        next.await;
    }
}
