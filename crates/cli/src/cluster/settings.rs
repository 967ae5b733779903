//! Settings that the services are given beyond where they listen.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::Path;

use super::Service;

/// What their logs look like, where the environment does not say: text for a person at a terminal,
/// who sees the lines through a pipe.
pub(super) fn log_env(service: Service, quiet: bool) -> Vec<(String, String)> {
    let terminal = std::io::stderr().is_terminal();
    let wishes = [
        ("TELEMETRY_LOG_FORMAT", terminal.then_some("human")),
        ("TELEMETRY_LOG_FILTER", quiet.then_some("warn")),
    ];
    let wishes = wishes.map(|(setting, value)| (setting, value.map(str::to_owned)));
    where_unset(service, wishes, |name| std::env::var_os(name).is_some())
}

/// The wishes for settings of a service of which `is_set` says that the environment has no variable.
fn where_unset(
    service: Service,
    wishes: [(&str, Option<String>); 2],
    is_set: impl Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let wishes = wishes.into_iter().filter_map(|(setting, value)| {
        let name = service.variable(setting);
        value.filter(|_| !is_set(&name)).map(|value| (name, value))
    });
    wishes.collect()
}

/// How long a process that has the machine looks for work that is about to come before it sleeps. In 700 us a lone caller's next decision has
/// come, so that none of four processes sleeps, and each of its decisions takes half the time.
const IDLE_POLL: &str = "1ms";

/// What suits services that have a machine to themselves, where nobody says otherwise: none is in a hurry to sleep, and of four the coordinator
/// leaves half of the cores to the layers. `is_set` tells whether the environment has a variable; one that names a file of settings leaves
/// everything to that.
pub(super) fn shared_env(service: Service, is_set: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    if is_set(&service.variable("CONFIG")) {
        return Vec::new();
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = (service == Service::Coordinator).then(|| cores.div_ceil(2).to_string());
    let wishes =
        [("RUNTIME_IDLE_POLL", Some(IDLE_POLL.to_owned())), ("RUNTIME_WORKER_THREADS", workers)];
    where_unset(service, wishes, is_set)
}

/// The directory of its models, for a layer, where one was named.
pub(super) fn models_env(service: Service, models: Option<&Path>) -> Vec<(String, String)> {
    const MODELS_DIR: &str = "MODELS_DIR";
    let Some(dir) = models.map(|dir| dir.display().to_string()) else { return Vec::new() };
    let name = |layer: Service| match service {
        Service::Node => layer.variable_of_part(MODELS_DIR),
        _ => layer.variable(MODELS_DIR),
    };
    let told = Service::LAYERS.into_iter().filter(|&l| [l, Service::Node].contains(&service));
    told.map(|layer| (name(layer), dir.clone())).collect()
}

/// The sections of a service that it still has as a part of one process.
const SECTIONS_OF_PARTS: [&str; 5] = ["GRPC_", "ADMIN_", "MODELS_", "INFERENCE_", "REQUESTS_"];

/// What the environment says to the four services, said to the one process that is all of them. The settings of their processes have no
/// meaning there.
pub(super) fn node_env(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(String, String)> {
    let said = environment.into_iter().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let of = |service: &Service| Some((*service, name.strip_prefix(&service.variable(""))?));
        let (service, setting) = Service::ALL.iter().find_map(of)?;
        let kept = SECTIONS_OF_PARTS.iter().any(|section| setting.starts_with(section));
        kept.then(|| (service.variable_of_part(setting), value))
    });
    said.collect()
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
