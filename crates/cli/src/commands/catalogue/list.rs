//! `strata catalogue list`

use std::{process::ExitCode, time::Duration};

use clap::Args;
use strata_catalogue::{BUILT_IN, DEFAULT, load};
use strata_terminal::{number_columns, parse_duration, say};
use strata_wire::pb::{GetCatalogueRequest, catalogues_client::CataloguesClient};

use super::tables::Contents;
use crate::commands::each_endpoint::each_endpoint;

/// List the built-in catalogues, or the platforms and regions of one.
#[derive(Debug, Args)]
pub(super) struct List {
    /// List the platforms and regions of this catalogue: a built-in name, or a YAML file
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "endpoint")]
    catalogue: Option<String>,
    /// List those of the catalogue that this coordinator has in force
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Time the coordinator may take
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = parse_duration)]
    timeout: Duration,
}

impl List {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(endpoint) = self.endpoint {
            let get = async |channel| {
                let mut client = CataloguesClient::new(channel);
                let answer = client.get_catalogue(GetCatalogueRequest {}).await;
                answer.map(tonic::Response::into_inner)
            };
            let show = |catalogue| say(Contents::from(&catalogue));
            return each_endpoint(&[endpoint], self.timeout, get, show).await;
        }
        match self.catalogue {
            Some(name) => say(Contents::from(&load(&name)?.catalogue))?,
            None => say(built_in()?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn built_in() -> anyhow::Result<comfy_table::Table> {
    let mut table =
        number_columns(&["built in", "revision", "platforms", "regions", "areas", "placements"]);
    for name in BUILT_IN {
        let catalogue = load(name)?.catalogue;
        let default = if name == DEFAULT { " (default)" } else { "" };
        table.add_row([
            format!("{name}{default}"),
            catalogue.revision().to_owned(),
            catalogue.platforms().len().to_string(),
            catalogue.regions().len().to_string(),
            catalogue.areas().len().to_string(),
            catalogue.candidates().len().to_string(),
        ]);
    }
    Ok(table)
}
