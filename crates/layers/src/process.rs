//! A layer as a process: configuration, model, listeners, services.

use std::{process::ExitCode, sync::Arc};

use strata_chassis::{
    AdminConfig, Binary, BoxError, ConfigError, Drain, GrpcConfig, Metrics, Process, Server,
    Services, Setting,
};
use strata_runtime::{OnnxRuntime, Repository};
use strata_wire::{FILE_DESCRIPTOR_SET, pb};
use tokio::task::JoinHandle;

use crate::{
    adapter::Adapter,
    config::{InferenceConfig, LayerConfig, ModelsConfig},
    layers::Layer,
    metrics::LayerMetrics,
    models::{self, Catalog, FileAccess, Loader, ModelsService, Runners, Start, expose_figures},
    oip::{self, Oip},
    serving::{Parts, Service},
};

/// What a layer's program is called.
pub(crate) fn binary<A: Layer>() -> Binary {
    Binary {
        name: A::NAME,
        about: A::ABOUT,
        env_prefix: A::ENV_PREFIX,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Runs a layer's process.
pub(crate) fn run<A: Layer>() -> ExitCode {
    strata_chassis::run(binary::<A>(), serve::<A>)
}

/// A layer's program and its settings.
pub(crate) fn settings<A: Layer>() -> Result<(Binary, Vec<Setting>), ConfigError> {
    Ok((binary::<A>(), strata_chassis::settings::<LayerConfig<A>>()?))
}

async fn serve<A: Layer>(process: Process<LayerConfig<A>>) -> Result<(), BoxError> {
    let Process { config, metrics, drain, .. } = process;
    let LayerConfig { grpc, admin, catalogue, models, inference, .. } = &config;
    let settings = Settings { grpc, admin, catalogue, models, inference };
    let Started { server, services, tended, .. } = start::<A>(settings, &metrics, &drain).await?;
    server.serve(services).await?;
    tended.finish().await;
    Ok(())
}

/// The settings of a layer without those of its process.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) grpc: &'a GrpcConfig,
    pub(crate) admin: &'a AdminConfig,
    pub(crate) catalogue: &'a str,
    pub(crate) models: &'a ModelsConfig,
    pub(crate) inference: &'a InferenceConfig,
}

/// A layer that is ready but does not serve yet.
pub(crate) struct Started<A> {
    pub(crate) server: Server,
    pub(crate) services: Services,
    pub(crate) service: Service<A>,
    pub(crate) tended: Tended<A>,
}

/// The versions of a layer, and the task that follows the repository.
pub(crate) struct Tended<A> {
    pub(crate) catalog: Arc<Catalog<A>>,
    watching: JoinHandle<()>,
}

impl<A: Adapter> Tended<A> {
    /// Waits until every version has run the rows it accepted; refuses new rows from then on.
    pub(crate) async fn finish(self) {
        self.watching.abort();
        self.catalog.drain().await;
    }
}

/// Binds a layer's listeners, loads its model and reports readiness.
pub(crate) async fn start<A: Layer>(
    settings: Settings<'_>,
    registry: &Metrics,
    drain: &Drain,
) -> Result<Started<A>, BoxError> {
    let server = Server::bind(settings.grpc, settings.admin, registry, drain).await?;
    let repository = Repository::open(&settings.models.dir)?;
    let metrics = LayerMetrics::register(registry);
    let catalog = Arc::new(first_version::<A>(settings, &repository, &metrics)?);
    let read = Arc::clone(&catalog);
    expose_figures(registry, move || read.figures());
    let service = Service::new(Parts {
        catalog: Arc::clone(&catalog),
        metrics: metrics.clone(),
        drain: drain.clone(),
    });
    let runners = Arc::clone(&catalog) as Arc<dyn Runners>;
    let control = Arc::clone(&catalog) as Arc<dyn oip::Control>;
    let oip = Oip::new(oip::Parts {
        layer: A::NAME,
        runners,
        control,
        metrics,
        repository,
        files: FileAccess::default(),
        drain: drain.clone(),
    });
    let max_message_bytes = settings.grpc.max_message_bytes;
    let services = Services::described_by(&[FILE_DESCRIPTOR_SET])
        .with(A::server(service.clone(), max_message_bytes))
        .with(oip::server(oip, max_message_bytes))
        .with(pb::models_server::ModelsServer::new(ModelsService(Arc::clone(&catalog))));
    server.health().serving().await;
    let (policy, interval) = (settings.models.policy(), settings.models.poll_interval);
    let watch = models::watch(Arc::clone(&catalog), policy, interval, drain.clone());
    let tended = Tended { catalog, watching: tokio::spawn(watch) };
    Ok(Started { server, services, service, tended })
}

/// Opens, checks and warms up the first version.
fn first_version<A: Layer>(
    settings: Settings<'_>,
    repository: &Repository,
    metrics: &LayerMetrics,
) -> Result<Catalog<A>, BoxError> {
    let runtime = OnnxRuntime::load(settings.inference.library.as_deref())?;
    let library = runtime.library().display().to_string();
    let loader = Loader {
        runtime,
        repository: repository.clone(),
        catalogue: Arc::new(strata_catalogue::load(settings.catalogue)?.catalogue),
        options: settings.inference.options(),
        precision: settings.models.precision,
        metrics: metrics.clone(),
    };
    let policy = settings.models.policy();
    let start = Start { version: settings.models.version, policy: &policy };
    let catalog = Catalog::start(loader, &start)?;
    let snapshot = catalog.snapshot();
    let version = snapshot.stable();
    let model = version.runner.model();
    tracing::info!(
        model = model.manifest().name,
        version = model.manifest().version,
        execution_provider = %model.execution_provider(),
        precision = %version.precision,
        library,
        "model ready"
    );
    Ok(catalog)
}
