//! The settings that the services get besides their addresses.

use std::{ffi::OsString, io::IsTerminal, num::NonZeroUsize, path::Path};

use crate::service::Service;

/// Log settings, unless the environment has them: text if a person reads the lines at a terminal,
/// and warnings only if `quiet`.
pub(crate) fn log_env(service: Service, quiet: bool) -> Vec<(String, String)> {
    let terminal = std::io::stderr().is_terminal();
    let defaults = [
        ("TELEMETRY_LOG_FORMAT", terminal.then_some("human")),
        ("TELEMETRY_LOG_FILTER", quiet.then_some("warn")),
    ];
    let defaults = defaults.map(|(setting, value)| (setting, value.map(str::to_owned)));
    where_unset(service, defaults, |name| std::env::var_os(name).is_some())
}

/// The defaults of a service for which the environment has no variable, as `is_set` tells.
fn where_unset(
    service: Service,
    defaults: [(&str, Option<String>); 2],
    is_set: impl Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let unset = defaults.into_iter().filter_map(|(setting, value)| {
        let name = service.variable(setting);
        value.filter(|_| !is_set(&name)).map(|value| (name, value))
    });
    unset.collect()
}

/// How long a worker without work polls before it sleeps. The next decision of a single caller
/// comes within 700 us: none of the four processes sleeps, and the decision takes half the time.
const IDLE_POLL: &str = "1ms";

/// Runtime settings for services that share one machine, unless the environment has them: workers
/// poll before they sleep, and the coordinator leaves half of the cores to the layers. `is_set`
/// tells whether the environment has a variable. A configuration file replaces all of them.
pub(crate) fn shared_env(service: Service, is_set: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    if is_set(&service.variable("CONFIG")) {
        return Vec::new();
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = (service == Service::Coordinator).then(|| cores.div_ceil(2).to_string());
    let defaults =
        [("RUNTIME_IDLE_POLL", Some(IDLE_POLL.to_owned())), ("RUNTIME_WORKER_THREADS", workers)];
    where_unset(service, defaults, is_set)
}

/// The directory of the models, for the layers that the service runs.
pub(crate) fn models_env(service: Service, models: Option<&Path>) -> Vec<(String, String)> {
    const MODELS_DIR: &str = "MODELS_DIR";
    let Some(dir) = models.map(|dir| dir.display().to_string()) else { return Vec::new() };
    let name = |layer: Service| match service {
        Service::Node => layer.variable_of_part(MODELS_DIR),
        _ => layer.variable(MODELS_DIR),
    };
    let layers = Service::LAYERS.into_iter().filter(|&l| [l, Service::Node].contains(&service));
    layers.map(|layer| (name(layer), dir.clone())).collect()
}

/// The sections of its configuration that a service keeps as a part of one process.
const SECTIONS_OF_PARTS: [&str; 5] = ["GRPC_", "ADMIN_", "MODELS_", "INFERENCE_", "REQUESTS_"];

/// The environment variables of the four services, renamed for the one process that runs all four.
/// Settings of the processes themselves are left out.
pub(crate) fn node_env(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(String, String)> {
    let renamed = environment.into_iter().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let of = |service: &Service| Some((*service, name.strip_prefix(&service.variable(""))?));
        let (service, setting) = Service::ALL.iter().find_map(of)?;
        let kept = SECTIONS_OF_PARTS.iter().any(|section| setting.starts_with(section));
        kept.then(|| (service.variable_of_part(setting), value))
    });
    renamed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_on_one_machine_sleep_late_and_the_coordinator_leaves_cores_to_the_layers() {
        let names = |service, set: &[&str]| -> Vec<String> {
            let env = shared_env(service, |name| set.contains(&name));
            env.into_iter().map(|(name, _)| name).collect()
        };
        let (idle, workers) =
            ("STRATA_COORDINATOR_RUNTIME_IDLE_POLL", "STRATA_COORDINATOR_RUNTIME_WORKER_THREADS");
        assert_eq!(names(Service::Coordinator, &[]), [idle, workers]);
        assert_eq!(names(Service::Tactical, &[]), ["STRATA_TACTICAL_RUNTIME_IDLE_POLL"]);
        assert_eq!(names(Service::Coordinator, &[idle]), [workers]);
        assert_eq!(names(Service::Coordinator, &["STRATA_COORDINATOR_CONFIG"]), [""; 0]);
        assert_eq!(names(Service::Node, &[]), ["STRATA_NODE_RUNTIME_IDLE_POLL"]);
    }
}
