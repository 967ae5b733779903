//! The smallest whole process: an echo service over the chassis. The tests of signals, exit codes
//! and traces run it as a child.

#[path = "../tests/fixture/echo.rs"]
mod echo;

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, Binary, Check, GrpcConfig, Invalid, Process, ProcessConfig, ProcessSettings,
    RuntimeConfig, Server, Services, ShutdownConfig, TelemetryConfig, check_sections,
};

const BINARY: Binary = Binary {
    name: "echo",
    about: "Says what it is told",
    env_prefix: "STRATA_ECHO",
    version: env!("CARGO_PKG_VERSION"),
};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    grpc: GrpcConfig,
    admin: AdminConfig,
    telemetry: TelemetryConfig,
    shutdown: ShutdownConfig,
    runtime: RuntimeConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc: GrpcConfig::on_port(50059),
            admin: AdminConfig::on_port(9059),
            telemetry: TelemetryConfig::default(),
            shutdown: ShutdownConfig::default(),
            runtime: RuntimeConfig::default(),
        }
    }
}

impl Check for Config {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("grpc", &self.grpc),
            ("telemetry", &self.telemetry),
            ("shutdown", &self.shutdown),
            ("runtime", &self.runtime),
        ])
    }
}

impl ProcessConfig for Config {
    fn process(&self) -> ProcessSettings<'_> {
        ProcessSettings {
            telemetry: &self.telemetry,
            shutdown: &self.shutdown,
            runtime: &self.runtime,
            cores_per_worker: 1,
        }
    }
}

fn main() -> ExitCode {
    strata_chassis::run(BINARY, |process: Process<Config>| async move {
        let Process { config, metrics, drain, .. } = process;
        let server = Server::bind(&config.grpc, &config.admin, &metrics, &drain).await?;
        let services = Services::described_by(&[echo::descriptor_set()]).with(echo::Echo { drain });
        server.health().serving().await;
        Ok(server.serve(services).await?)
    })
}
