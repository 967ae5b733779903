//! How a service is started.

use std::collections::BTreeMap;

use crate::{layers::LAYERS, ports::free_ports, programs::root, repository::research_models};

/// A service that can be started: a program, two ports and settings.
#[derive(Debug, Clone)]
pub struct Spec {
    name: &'static str,
    ports: [u16; 2],
    env: BTreeMap<String, String>,
}

impl Spec {
    /// A service on free ports, with logs as JSON and a short settle time, on the catalogue of the
    /// research framework.
    pub fn new(name: &'static str) -> Self {
        Self::on(name, free_ports()).listening("").on_research("", name)
    }

    /// The four services as one process, on free ports. Its own addresses are those of the
    /// coordinator. Its settings begin with the service they are for: `TACTICAL_GRPC_LISTEN`.
    pub fn node() -> Self {
        let coordinator = Self::on("strata-node", free_ports()).listening("COORDINATOR_");
        let coordinator = coordinator.on_research("COORDINATOR_", "coordinator");
        LAYERS.into_iter().fold(coordinator, |spec, layer| {
            let prefix = setting_of(layer, "");
            let own = Self::on("strata-node", free_ports()).listening(&prefix);
            let layer = own.on_research(&prefix, layer);
            Self { env: spec.env.into_iter().chain(layer.env).collect(), ..spec }
        })
    }

    fn on(name: &'static str, ports: [u16; 2]) -> Self {
        let spec = Self { name, ports, env: BTreeMap::new() };
        spec.set("TELEMETRY_LOG_FORMAT", "json").set("SHUTDOWN_SETTLE", "100ms")
    }

    /// The same service on another catalogue, with all bundled versions of its model.
    #[must_use]
    pub fn on_catalogue(self, catalogue: &str) -> Self {
        let models = root().join("models");
        let spec = self.set("CATALOGUE", catalogue);
        match spec.name {
            "coordinator" => spec,
            _ => spec.set("MODELS_DIR", models.to_string_lossy()),
        }
    }

    /// The service named by the prefix of its settings on the catalogue of the research framework,
    /// with versions 1 and 2 of its model, which are made for it.
    fn on_research(self, prefix: &str, service: &str) -> Self {
        let spec = self.set(&format!("{prefix}CATALOGUE"), "research");
        match service {
            "coordinator" | "strata-node" => spec,
            _ => spec.set(&format!("{prefix}MODELS_DIR"), research_models().to_string_lossy()),
        }
    }

    fn listening(self, prefix: &str) -> Self {
        let [grpc, admin] = self.ports;
        self.set(&format!("{prefix}GRPC_LISTEN"), format!("127.0.0.1:{grpc}"))
            .set(&format!("{prefix}ADMIN_LISTEN"), format!("127.0.0.1:{admin}"))
    }

    /// The name of the program.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The same service with a setting, named as its environment variable without
    /// `STRATA_<NAME>_`.
    #[must_use]
    pub fn set(mut self, setting: &str, value: impl Into<String>) -> Self {
        self.env.insert(self.variable(setting), value.into());
        self
    }

    /// The same process of four services with a setting of each of its layers.
    #[must_use]
    pub fn set_layers(self, setting: &str, value: &str) -> Self {
        LAYERS.into_iter().fold(self, |spec, layer| spec.set(&setting_of(layer, setting), value))
    }

    /// The same layer with all of its traffic on a version of its model. A coordinator stays as it
    /// is.
    #[must_use]
    pub fn on_version(self, version: u32) -> Self {
        match self.name {
            "coordinator" => self,
            _ => self.set("MODELS_VERSION", version.to_string()),
        }
    }

    /// The same coordinator with one more replica of a layer.
    ///
    /// # Panics
    /// When it has none yet.
    #[must_use]
    pub fn add_replica(self, replica: &Self) -> Self {
        let setting = format!("LAYERS_{}", replica.name.to_uppercase());
        let both = format!("{},{}", self.setting(&setting), replica.endpoint());
        self.set(&setting, both)
    }

    /// The value of a setting.
    ///
    /// # Panics
    /// When it was not set.
    pub fn setting(&self, setting: &str) -> &str {
        &self.env[&self.variable(setting)]
    }

    fn variable(&self, setting: &str) -> String {
        let name = self.name.trim_start_matches("strata-");
        format!("STRATA_{}_{setting}", name.to_uppercase())
    }

    /// The port of its gRPC server, then that of its admin server.
    pub(crate) fn ports(&self) -> [u16; 2] {
        self.ports
    }

    /// Its environment variables.
    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }
}

/// The name of a setting of one of the four services in one process.
pub(crate) fn setting_of(service: &str, setting: &str) -> String {
    format!("{}_{setting}", service.to_uppercase())
}
