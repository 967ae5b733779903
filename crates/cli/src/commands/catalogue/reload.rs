//! `strata catalogue reload`

use std::{process::ExitCode, time::Duration};

use clap::Args;
use strata_load::DEFAULT_ENDPOINT;
use strata_terminal::{parse_duration, say};
use strata_wire::pb::{self, ReloadCatalogueRequest, catalogues_client::CataloguesClient};

use super::tables::title;
use crate::commands::each_endpoint::each_endpoint;

/// Make coordinators read their catalogue again, as SIGHUP does.
///
/// One with faults is refused, and the one in force stays. Exits with 1 if any coordinator refuses.
#[derive(Debug, Args)]
pub(super) struct Reload {
    /// Coordinators, separated by commas
    #[arg(long, value_name = "URL", value_delimiter = ',', default_value = DEFAULT_ENDPOINT)]
    endpoint: Vec<String>,
    /// Time each may take
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = parse_duration)]
    timeout: Duration,
}

impl Reload {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let reload = async |channel| {
            let mut client = CataloguesClient::new(channel);
            let answer = client.reload_catalogue(ReloadCatalogueRequest {}).await;
            answer.map(tonic::Response::into_inner)
        };
        let show = |catalogue: pb::Catalogue| {
            say(title(&catalogue.name, &catalogue.revision, catalogue.placements as usize))
        };
        each_endpoint(&self.endpoint, self.timeout, reload, show).await
    }
}
