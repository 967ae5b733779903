use std::{convert::Infallible, process::ExitCode};

use strata_chassis::{
    AdminConfig, Binary, BoxError, Drain, GrpcConfig, Metrics, Process, Server, Services,
};
use strata_runtime::{Model, OnnxRuntime, Repository};
use strata_wire::{FILE_DESCRIPTOR_SET, pb};
use tonic::{body::Body, server::NamedService};
use tower::Service as TowerService;

use crate::{
    adapter::Adapter,
    config::{InferenceConfig, LayerConfig, ModelsConfig},
    engine::{Parts, Service},
    metrics::LayerMetrics,
    models::FixedModels,
    oip::{self, Oip},
    runner::Runner,
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
    let Process { config, metrics, drain, .. } = process;
    let LayerConfig { grpc, admin, models, inference, .. } = &config;
    let settings = Settings { grpc, admin, models, inference };
    let Started { server, services, model, .. } = start::<A>(settings, &metrics, &drain).await?;
    server.serve(services).await?;
    model.drain().await;
    Ok(())
}

/// The settings of a layer that are not those of its process.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) grpc: &'a GrpcConfig,
    pub(crate) admin: &'a AdminConfig,
    pub(crate) models: &'a ModelsConfig,
    pub(crate) inference: &'a InferenceConfig,
}

/// A layer that is ready, and not served yet.
pub(crate) struct Started<A> {
    pub(crate) server: Server,
    pub(crate) services: Services,
    pub(crate) service: Service<A>,
    pub(crate) model: Model,
}

/// Binds a layer's listeners, starts its model and says that it is ready.
pub(crate) async fn start<A: Layer>(
    settings: Settings<'_>,
    metrics: &Metrics,
    drain: &Drain,
) -> Result<Started<A>, BoxError> {
    let server = Server::bind(settings.grpc, settings.admin, metrics, drain).await?;
    let repository = Repository::open(&settings.models.dir)?;
    let model = start_model::<A>(settings, &repository)?;
    let runner = Runner::new(model.clone(), LayerMetrics::register(metrics, &model));
    let adapter = A::for_model(model.manifest())?;
    let service = Service::new(Parts { adapter, runner: runner.clone(), drain: drain.clone() });
    let oip = Oip::new(oip::Parts { layer: A::NAME, runner, repository, drain: drain.clone() });
    let max_message_bytes = settings.grpc.max_message_bytes;
    let services = Services::described_by(&[FILE_DESCRIPTOR_SET])
        .with(A::server(service.clone(), max_message_bytes))
        .with(oip::server(oip, max_message_bytes))
        .with(pb::models_server::ModelsServer::new(FixedModels));
    server.health().serving().await;
    Ok(Started { server, services, service, model })
}

/// Opens, checks and warms up the model. It blocks for some milliseconds, while nothing else is to be done.
fn start_model<A: Layer>(
    settings: Settings<'_>,
    repository: &Repository,
) -> Result<Model, BoxError> {
    let runtime = OnnxRuntime::load(settings.inference.library.as_deref())?;
    let files = repository.load(A::NAME, settings.models.version)?;
    let model = Model::start(&runtime, files, &settings.inference.options())?;
    tracing::info!(
        model = model.manifest().name,
        version = model.manifest().version,
        execution_provider = %model.execution_provider(),
        library = %runtime.library().display(),
        "model ready"
    );
    Ok(model)
}
