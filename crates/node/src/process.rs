use std::process::ExitCode;

use strata_chassis::{Binary, BoxError, ConfigError, Metrics, Process, Setting};
use strata_coordinator::LocalLayers;

use crate::{config::NodeConfig, runtime::LayersRuntime};

const BINARY: Binary = Binary {
    name: "strata-node",
    about: "The four services of Strata in one process, for edge nodes and laptops",
    env_prefix: "STRATA_NODE",
    version: env!("CARGO_PKG_VERSION"),
};

/// Runs the four services in one process: all of its `main`.
pub fn run() -> ExitCode {
    strata_chassis::run(BINARY, serve)
}

/// The program and its settings, for the documentation.
///
/// # Errors
/// Default settings that cannot be serialized.
pub fn settings() -> Result<(Binary, Vec<Setting>), ConfigError> {
    Ok((BINARY, strata_chassis::settings::<NodeConfig>()?))
}

/// Starts the layers first, so that the coordinator finds them ready. At the end, all four
/// listeners close together, and the models run until the coordinator has answered every accepted
/// request.
async fn serve(process: Process<NodeConfig>) -> Result<(), BoxError> {
    let Process { binary, config, metrics, drain } = process;
    // Each service has its own metrics page, with the metric names it has in a cluster.
    let page = |name| Metrics::new(&Binary { name, ..binary });
    let NodeConfig { strategic, tactical, operational, coordinator, .. } = &config;
    let runtime = LayersRuntime::start()?;
    let starting = async {
        let strategic =
            strata_layers::start_strategic(strategic, &page("strategic"), &drain.beside()).await?;
        let tactical =
            strata_layers::start_tactical(tactical, &page("tactical"), &drain.beside()).await?;
        let operational =
            strata_layers::start_operational(operational, &page("operational"), &drain.beside())
                .await?;
        Ok::<_, BoxError>((strategic, tactical, operational))
    };
    let (strategic, tactical, operational) = runtime.has_tasks_of(starting).await?;
    let layers = LocalLayers {
        strategic: strategic.layer,
        tactical: tactical.layer,
        operational: operational.layer,
    };
    let coordinator = strata_coordinator::serve_beside(coordinator, layers, &metrics, drain);
    let serving = |layer| runtime.has_tasks_of(async { Ok(layer.await?) });
    tokio::try_join!(
        coordinator,
        serving(strategic.serving),
        serving(tactical.serving),
        serving(operational.serving),
    )?;
    tokio::join!(strategic.finishing, tactical.finishing, operational.finishing);
    Ok(())
}
