use serde::{Deserialize, Serialize};
use strata_chassis::{
    Documented, Help, Invalid, ProcessConfig, ProcessSettings, RuntimeConfig, ShutdownConfig,
    TelemetryConfig,
};
use strata_coordinator::CoordinatorSection;
use strata_layers::LayerSection;

/// Every setting of the four services in one process: a section for each of them, and what the
/// process has once.
#[derive(Debug, Serialize, Deserialize)]
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
    /// The end of the process.
    pub shutdown: ShutdownConfig,
    /// Threads.
    pub runtime: RuntimeConfig,
}

/// The ports are those of the cluster.
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

impl Documented for NodeConfig {
    fn help() -> Help {
        Help::default()
            .section::<CoordinatorSection>("coordinator")
            .section::<LayerSection>("strategic")
            .section::<LayerSection>("tactical")
            .section::<LayerSection>("operational")
            .section::<TelemetryConfig>("telemetry")
            .section::<ShutdownConfig>("shutdown")
            .section::<RuntimeConfig>("runtime")
    }

    fn check(&self) -> Result<(), Invalid> {
        self.coordinator.check().map_err(|invalid| invalid.within("coordinator"))?;
        self.strategic.check().map_err(|invalid| invalid.within("strategic"))?;
        self.tactical.check().map_err(|invalid| invalid.within("tactical"))?;
        self.operational.check().map_err(|invalid| invalid.within("operational"))?;
        self.telemetry.check().map_err(|invalid| invalid.within("telemetry"))?;
        self.shutdown.check().map_err(|invalid| invalid.within("shutdown"))?;
        self.runtime.check().map_err(|invalid| invalid.within("runtime"))
    }
}

impl ProcessConfig for NodeConfig {
    fn process(&self) -> ProcessSettings<'_> {
        ProcessSettings {
            telemetry: &self.telemetry,
            shutdown: &self.shutdown,
            runtime: &self.runtime,
            // The other half is the layers'.
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
