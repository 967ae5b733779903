//! The services and their names.

/// One of the four services, or the program that runs all four in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The layer that chooses the provider.
    Strategic,
    /// The layer that chooses region and memory.
    Tactical,
    /// The layer that forecasts the next step.
    Operational,
    /// The coordinator, which asks the three layers.
    Coordinator,
    /// All four in one process.
    Node,
}

impl Service {
    /// All four, in the order in which they are started.
    pub const ALL: [Self; 4] =
        [Self::Strategic, Self::Tactical, Self::Operational, Self::Coordinator];

    /// The three layers.
    pub const LAYERS: [Self; 3] = [Self::Strategic, Self::Tactical, Self::Operational];

    /// The name of the program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strategic => "strategic",
            Self::Tactical => "tactical",
            Self::Operational => "operational",
            Self::Coordinator => "coordinator",
            Self::Node => "strata-node",
        }
    }

    /// The documented gRPC port.
    pub(crate) const fn grpc_port(self) -> u16 {
        match self {
            Self::Coordinator | Self::Node => 50050,
            Self::Strategic => 50051,
            Self::Tactical => 50052,
            Self::Operational => 50053,
        }
    }

    /// The environment variable of one of its settings.
    pub fn variable(self, setting: &str) -> String {
        match self {
            Self::Node => format!("STRATA_NODE_{setting}"),
            _ => format!("STRATA_{}_{setting}", self.name().to_ascii_uppercase()),
        }
    }

    /// The environment variable of the same setting where the service is part of one process.
    pub(crate) fn variable_of_part(self, setting: &str) -> String {
        Self::Node.variable(&format!("{}_{setting}", self.name().to_ascii_uppercase()))
    }
}
