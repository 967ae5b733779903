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
    let dir = models.map(|dir| dir.display().to_string());
    for_parts(service, &Service::LAYERS, ("MODELS_DIR", dir))
}

/// The setting that names the catalogue of placements.
const CATALOGUE: &str = "CATALOGUE";

/// The catalogue of placements, for the services that the program runs.
pub(crate) fn catalogue_env(service: Service, catalogue: Option<&str>) -> Vec<(String, String)> {
    for_parts(service, &Service::ALL, (CATALOGUE, catalogue.map(str::to_owned)))
}

/// A setting of `parts`, as far as the program runs them.
fn for_parts(
    service: Service,
    parts: &[Service],
    (setting, value): (&str, Option<String>),
) -> Vec<(String, String)> {
    let Some(value) = value else { return Vec::new() };
    let name = |part: Service| match service {
        Service::Node => part.variable_of_part(setting),
        _ => part.variable(setting),
    };
    let run = parts.iter().filter(|part| [**part, Service::Node].contains(&service));
    run.map(|part| (name(*part), value.clone())).collect()
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
        let of_part = SECTIONS_OF_PARTS.iter().any(|section| setting.starts_with(section));
        let kept = of_part || setting == CATALOGUE;
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

    #[test]
    fn every_service_that_a_program_runs_gets_the_catalogue() {
        let names = |service, catalogue| -> Vec<String> {
            catalogue_env(service, catalogue).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(Service::Tactical, Some("world")), ["STRATA_TACTICAL_CATALOGUE"]);
        assert_eq!(names(Service::Coordinator, Some("world")), ["STRATA_COORDINATOR_CATALOGUE"]);
        let parts = ["STRATEGIC", "TACTICAL", "OPERATIONAL", "COORDINATOR"];
        let parts = parts.map(|part| format!("STRATA_NODE_{part}_CATALOGUE"));
        assert_eq!(names(Service::Node, Some("world")), parts);
        assert_eq!(names(Service::Node, None), [""; 0]);
        let environment = [("STRATA_COORDINATOR_CATALOGUE".into(), "own.yaml".into())];
        let renamed = ("STRATA_NODE_COORDINATOR_CATALOGUE".to_owned(), "own.yaml".to_owned());
        assert_eq!(node_env(environment), [renamed]);
    }
}
