//! `strata models list`, `load`, `unload`, `traffic` and `rollback`.

use std::{process::ExitCode, str::FromStr, time::Duration};

use clap::Args;
use comfy_table::CellAlignment;
use strata_terminal::{parse_duration, say, text_columns};
use strata_wire::{pb, pb::models_client::ModelsClient};
use tonic::{Response, Status, transport::Channel};

use super::each_endpoint::each_endpoint;
use crate::protojson;

/// The layers of `strata up`.
const LOCAL: [&str; 3] =
    ["http://127.0.0.1:50051", "http://127.0.0.1:50052", "http://127.0.0.1:50053"];

/// Show the versions of layers: available, loaded, and with which traffic
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Layers, comma separated [default: the three of `strata up`]
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    endpoint: Vec<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Load a version beside the loaded ones; it gets no traffic yet
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The version [default: the newest]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    replicas: Replicas,
}

/// Unload a version that has no traffic
#[derive(Debug, Args)]
pub(crate) struct Unload {
    /// The version
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    version: u32,
    #[command(flatten)]
    replicas: Replicas,
}

/// Split the traffic among loaded versions: `1=90 2=10`, `canary=100`
#[derive(Debug, Args)]
pub(crate) struct Traffic {
    /// A version, or the label stable or canary, and its percent; the sum must be 100
    #[arg(required = true, value_name = "VERSION=PERCENT")]
    shares: Vec<Share>,
    /// Loaded versions that run every row as shadows, without answering, comma separated
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    shadow: Vec<u32>,
    #[command(flatten)]
    replicas: Replicas,
}

/// Return to the traffic before the last change
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    replicas: Replicas,
}

/// The replicas to change.
#[derive(Debug, Args)]
struct Replicas {
    /// Every replica of the layer, comma separated: each has its own versions and traffic
    #[arg(long, value_name = "URL", value_delimiter = ',', required = true)]
    endpoint: Vec<String>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
struct Shown {
    /// Print the versions in protobuf's JSON form, one object for each layer
    #[arg(long)]
    json: bool,
    /// Time in which each layer must answer
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
}

/// The share of a version, by its number or its label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    version_or_label: String,
    percent: u32,
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be a version and its percent, such as 2=10 or canary=100";
        let (version_or_label, percent) = text.split_once('=').ok_or(RULE)?;
        let percent = percent.parse().map_err(|_| RULE)?;
        if version_or_label.is_empty() {
            return Err(RULE);
        }
        Ok(Self { version_or_label: version_or_label.to_owned(), percent })
    }
}

impl From<&Share> for pb::TrafficShare {
    fn from(share: &Share) -> Self {
        let percent = share.percent;
        match share.version_or_label.parse() {
            Ok(version) => Self { version, percent, label: String::new() },
            // The layer refuses an unknown label.
            Err(_) => Self { version: 0, percent, label: share.version_or_label.clone() },
        }
    }
}

impl List {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let endpoint = match self.endpoint.is_empty() {
            true => LOCAL.map(str::to_owned).to_vec(),
            false => self.endpoint,
        };
        let replicas = Replicas { endpoint, shown: self.shown };
        replicas.each(async |_| Ok(())).await
    }
}

impl Load {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let version = self.version.unwrap_or_default();
        let request = pb::LoadModelRequest { version, ..Default::default() };
        let load = async |layer: &mut Layer| layer.load(request.clone()).await.map(drop);
        self.replicas.each(load).await
    }
}

impl Unload {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let request = pb::UnloadModelRequest { version: self.version, ..Default::default() };
        let unload = async |layer: &mut Layer| layer.unload(request.clone()).await.map(drop);
        self.replicas.each(unload).await
    }
}

impl Traffic {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let shares = self.shares.iter().map(pb::TrafficShare::from).collect();
        let request = pb::SetTrafficRequest { shares, shadows: self.shadow, ..Default::default() };
        let share = async |layer: &mut Layer| layer.set_traffic(request.clone()).await.map(drop);
        self.replicas.each(share).await
    }
}

impl Rollback {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let request = pb::RollbackRequest::default();
        let roll_back = async |layer: &mut Layer| layer.rollback(request.clone()).await.map(drop);
        self.replicas.each(roll_back).await
    }
}

type Layer = ModelsClient<Channel>;

impl Replicas {
    /// Changes each replica in turn, then shows its versions.
    async fn each(
        self,
        change: impl AsyncFn(&mut Layer) -> Result<(), Status>,
    ) -> anyhow::Result<ExitCode> {
        let mut versions = Vec::new();
        let call = async |channel| {
            let mut layer = Layer::new(channel);
            change(&mut layer).await?;
            layer.list(pb::ListModelsRequest::default()).await.map(Response::into_inner)
        };
        let code = each_endpoint(&self.endpoint, self.shown.timeout, call, |answer| {
            if self.shown.json {
                say(format_args!("{:#}", protojson::to_value(&answer)?))?;
            } else {
                versions.extend(answer.versions);
            }
            Ok(())
        });
        let code = code.await?;
        if !versions.is_empty() {
            say(shown(&versions))?;
        }
        Ok(code)
    }
}

/// A line for each version; below the table, why versions failed.
fn shown(versions: &[pb::ModelVersion]) -> String {
    let header = [
        "model",
        "version",
        "state",
        "traffic",
        "label",
        "precision",
        "rows",
        "shadow agrees",
        "sha256",
    ];
    let mut lines = text_columns(&header);
    for version in versions {
        lines.add_row([
            version.model.clone(),
            version.version.to_string(),
            version.state().as_str_name().trim_start_matches("MODEL_STATE_").to_lowercase(),
            if version.loaded_at.is_some() {
                format!("{} %", version.traffic_percent)
            } else {
                String::new()
            },
            version.labels.join(", "),
            version.precision.clone(),
            if version.loaded_at.is_some() { version.rows.to_string() } else { String::new() },
            version.shadow.as_ref().map(agreement).unwrap_or_default(),
            version.sha256.chars().take(12).collect(),
        ]);
    }
    for number in [1, 3, 6, 7] {
        if let Some(column) = lines.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let failures = versions.iter().filter(|version| !version.error.is_empty());
    let failures = failures
        .map(|failed| format!("\n\n{} version {}: {}", failed.model, failed.version, failed.error));
    lines.to_string() + &failures.collect::<String>()
}

fn agreement(report: &pb::ShadowReport) -> String {
    match report.rows {
        0 => "no rows yet".to_owned(),
        rows => format!("{:.1} % of {rows}", 100.0 * report.agreed as f64 / rows as f64),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_name_versions_or_labels() {
        let message = |text: &str| pb::TrafficShare::from(&text.parse::<Share>().unwrap());
        assert_eq!((message("2=10").version, message("2=10").percent), (2, 10));
        assert_eq!(
            (message("canary=100").version, message("canary=100").label.as_str()),
            (0, "canary")
        );
        for wrong in ["2", "2=", "=10", "2=ten", "2=-1", "2=10%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_version_is_a_line_and_a_failure_is_told_whole() {
        let loaded = pb::ModelVersion {
            model: "strategic".to_owned(),
            version: 2,
            state: pb::ModelState::Ready.into(),
            traffic_percent: 10,
            labels: vec!["canary".to_owned()],
            loaded_at: Some(prost_types::Timestamp::default()),
            shadow: Some(pb::ShadowReport { rows: 8, agreed: 6, ..Default::default() }),
            ..Default::default()
        };
        let failed = pb::ModelVersion {
            version: 3,
            state: pb::ModelState::Failed.into(),
            error: "graph file `model.onnx` has another sha256".to_owned(),
            ..loaded.clone()
        };
        let text = shown(&[loaded, failed]);
        assert!(
            text.contains("ready") && text.contains("10 %") && text.contains("canary"),
            "{text}"
        );
        assert!(text.contains("75.0 % of 8"), "{text}");
        assert!(text.ends_with("strategic version 3: graph file `model.onnx` has another sha256"));
    }
}
