use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_chassis::{
    Check, Invalid, ProcessConfig, ProcessSettings, RuntimeConfig, ShutdownConfig, TelemetryConfig,
    check_sections,
};
use strata_coordinator::CoordinatorSection;
use strata_layers::LayerSection;

/// Every setting of the four services in one process: a section for each service, and the settings
/// of the process.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The coordinator.
    pub coordinator: CoordinatorSection,
    /// The strategic layer.
    pub strategic: LayerSection,
    /// The tactical layer.
    pub tactical: LayerSection,
    /// The operational layer.
    pub operational: LayerSection,
    /// Traces and logs.
    pub telemetry: TelemetryConfig,
    /// Limits of the shutdown.
    pub shutdown: ShutdownConfig,
    /// Number of threads.
    pub runtime: RuntimeConfig,
}

/// The default ports are those of the cluster.
impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            coordinator: CoordinatorSection::default(),
            strategic: LayerSection::on_ports(50051, 9051),
            tactical: LayerSection::on_ports(50052, 9052),
            operational: LayerSection::on_ports(50053, 9053),
            telemetry: TelemetryConfig::default(),
            shutdown: ShutdownConfig::default(),
            runtime: RuntimeConfig::default(),
        }
    }
}

impl Check for NodeConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("coordinator", &self.coordinator),
            ("strategic", &self.strategic),
            ("tactical", &self.tactical),
            ("operational", &self.operational),
            ("telemetry", &self.telemetry),
            ("shutdown", &self.shutdown),
            ("runtime", &self.runtime),
        ])
    }
}

impl ProcessConfig for NodeConfig {
    fn process(&self) -> ProcessSettings<'_> {
        ProcessSettings {
            telemetry: &self.telemetry,
            shutdown: &self.shutdown,
            runtime: &self.runtime,
            // The layers get the other half.
            cores_per_worker: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        strata_chassis::assert_documented::<NodeConfig>();
    }
}
