use std::{convert::Infallible, process::ExitCode, sync::Arc};

use strata_chassis::{Binary, BoxError, Process, Server, Services};
use strata_runtime::{OnnxRuntime, Repository};
use strata_wire::{FILE_DESCRIPTOR_SET, pb};
use tonic::{body::Body, server::NamedService};
use tower::Service as TowerService;

use crate::{
    adapter::Adapter,
    config::LayerConfig,
    engine::{Parts, Service},
    metrics::LayerMetrics,
    models::ModelsService,
    oip::{self, Oip},
    runner::Runners,
    version_metrics,
    versions::{self, Catalog, Loader, Start},
};

/// A layer as a process: an adapter with ports and a generated server.
pub(crate) trait Layer: Adapter + std::fmt::Debug {
    /// The generated server.
    type Server: TowerService<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future: Send,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static;

    /// Default ports: gRPC, admin.
    const PORTS: (u16, u16);
    /// One line for `--help`.
    const ABOUT: &'static str;
    /// What the names of its environment variables begin with.
    const ENV_PREFIX: &'static str;

    /// The server of a service.
    fn server(service: Service<Self>, max_message_bytes: usize) -> Self::Server;
}

/// Runs a layer's process.
pub(crate) fn run<A: Layer>() -> ExitCode {
    let binary = Binary {
        name: A::NAME,
        about: A::ABOUT,
        env_prefix: A::ENV_PREFIX,
        version: env!("CARGO_PKG_VERSION"),
    };
    strata_chassis::run(binary, serve::<A>)
}

async fn serve<A: Layer>(process: Process<LayerConfig<A>>) -> Result<(), BoxError> {
    let Process { config, metrics: registry, drain, .. } = process;
    let server = Server::bind(&config.grpc, &config.admin, &registry, &drain).await?;
    let repository = Repository::open(&config.models.dir)?;
    let metrics = LayerMetrics::register(&registry);
    let catalog = Arc::new(first_version::<A>(&config, &repository, &metrics)?);
    let read = Arc::clone(&catalog);
    version_metrics::register(&registry, move || read.figures());
    let service = Service::new(Parts {
        catalog: Arc::clone(&catalog),
        metrics: metrics.clone(),
        drain: drain.clone(),
    });
    let runners = Arc::clone(&catalog) as Arc<dyn Runners>;
    let oip =
        Oip::new(oip::Parts { layer: A::NAME, runners, metrics, repository, drain: drain.clone() });
    let health = server.health();
    let max_message_bytes = config.grpc.max_message_bytes;
    let services = Services::described_by(&[FILE_DESCRIPTOR_SET])
        .with(A::server(service, max_message_bytes))
        .with(oip::server(oip, max_message_bytes))
        .with(pb::models_server::ModelsServer::new(ModelsService(Arc::clone(&catalog))));
    health.serving().await;
    let (policy, interval) = (config.models.policy(), config.models.poll_interval);
    let watching = tokio::spawn(versions::watch(Arc::clone(&catalog), policy, interval, drain));
    server.serve(services).await?;
    watching.abort();
    catalog.drain().await;
    Ok(())
}

/// Opens, checks and warms up the version that answers first.
fn first_version<A: Layer>(
    config: &LayerConfig<A>,
    repository: &Repository,
    metrics: &LayerMetrics,
) -> Result<Catalog<A>, BoxError> {
    let runtime = OnnxRuntime::load(config.inference.library.as_deref())?;
    let library = runtime.library().display().to_string();
    let loader = Loader {
        runtime,
        repository: repository.clone(),
        options: config.inference.options(),
        metrics: metrics.clone(),
    };
    let policy = config.models.policy();
    let start = Start { version: config.models.version, policy: &policy };
    let catalog = Catalog::start(loader, &start)?;
    let table = catalog.table();
    let model = table.stable().runner.model();
    tracing::info!(
        model = model.manifest().name,
        version = model.manifest().version,
        execution_provider = %model.execution_provider(),
        library,
        "model ready"
    );
    Ok(catalog)
}
