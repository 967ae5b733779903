//! What `strata bench` measures, and its tables.

mod case;
mod chain;
mod echo;
mod figures;
mod layers;
mod machine;
mod otlp;
mod peers;
mod reload;
mod report;
mod rows;
mod servers;
mod suite;
mod targets;

pub(crate) use case::{Case, Server};
pub(crate) use chain::program as chain_program;
pub(crate) use echo::EchoProcess;
pub(crate) use figures::Figures;
pub(crate) use machine::Machine;
pub(crate) use peers::{PeerFiles, PeerKind};
pub(crate) use report::Report;
pub(crate) use rows::Rows;
pub(crate) use servers::{Place, Places, Servers, Start as StartServers};
pub(crate) use suite::Suite;
