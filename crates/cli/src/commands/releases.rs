//! `strata releases list`, `switch`, `rollback` and `clear`.

use std::{process::ExitCode, str::FromStr, time::Duration};

use anyhow::bail;
use clap::{Args, Subcommand};
use strata_load::DEFAULT_ENDPOINT;
use strata_terminal::{parse_duration, say, text_columns};
use strata_wire::{pb, pb::releases_client::ReleasesClient};
use tonic::{Response, transport::Channel};

use super::each_endpoint::each_endpoint;
use crate::protojson;

/// Pin a version of each layer's model under a name, and switch the three together
#[derive(Debug, Args)]
pub(crate) struct Releases {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the release in force and the changes so far
    List(Coordinators),
    /// Load the versions on every replica, then put them in force together: `switch r2 strategic=2
    /// tactical=2 operational=1`
    Switch(Switch),
    /// Return to what was in force before the last change
    Rollback(Coordinators),
    /// Withdraw the release in force: layers choose versions by their own traffic
    Clear(Coordinators),
}

#[derive(Debug, Args)]
struct Switch {
    /// Name of the release: 1 to 64 letters, digits, `.`, `_` and `-`
    name: String,
    /// A layer and its version, for all three layers
    #[arg(required = true, num_args = 3, value_name = "LAYER=VERSION")]
    versions: Vec<LayerVersion>,
    #[command(flatten)]
    coordinators: Coordinators,
}

/// The coordinators to change.
#[derive(Debug, Args)]
struct Coordinators {
    /// Every coordinator, comma separated: each has its own releases
    #[arg(long, value_name = "URL", value_delimiter = ',', default_value = DEFAULT_ENDPOINT)]
    endpoint: Vec<String>,
    /// Print the releases in protobuf's JSON form, one object for each coordinator
    #[arg(long)]
    json: bool,
    /// Time in which each coordinator must answer
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LayerVersion {
    layer: pb::Layer,
    version: u32,
}

impl FromStr for LayerVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "must be strategic, tactical or operational and a version, such as tactical=2";
        let (layer, version) = text.split_once('=').ok_or(RULE)?;
        let layer = match layer {
            "strategic" => pb::Layer::Strategic,
            "tactical" => pb::Layer::Tactical,
            "operational" => pb::Layer::Operational,
            _ => return Err(RULE),
        };
        let version = version.parse().ok().filter(|version| *version > 0).ok_or(RULE)?;
        Ok(Self { layer, version })
    }
}

fn release(name: String, versions: &[LayerVersion]) -> anyhow::Result<pb::Release> {
    let of = |layer: pb::Layer| match versions
        .iter()
        .filter(|v| v.layer == layer)
        .collect::<Vec<_>>()[..]
    {
        [one] => Ok(one.version),
        _ => bail!("each of strategic, tactical and operational must have one version"),
    };
    Ok(pb::Release {
        name,
        strategic: of(pb::Layer::Strategic)?,
        tactical: of(pb::Layer::Tactical)?,
        operational: of(pb::Layer::Operational)?,
    })
}

type Client = ReleasesClient<Channel>;
type Listed = Result<Response<pb::ListReleasesResponse>, tonic::Status>;

impl Releases {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(coordinators) => {
                let list =
                    async |client: &mut Client| client.list(pb::ListReleasesRequest {}).await;
                coordinators.each(list).await
            }
            Command::Switch(Switch { name, versions, coordinators }) => {
                let request = pb::SwitchReleaseRequest { release: Some(release(name, &versions)?) };
                let switch = async |client: &mut Client| client.switch(request.clone()).await;
                coordinators.each(switch).await
            }
            Command::Rollback(coordinators) => {
                let roll_back = async |client: &mut Client| {
                    client.rollback(pb::RollbackReleaseRequest {}).await
                };
                coordinators.each(roll_back).await
            }
            Command::Clear(coordinators) => {
                let clear =
                    async |client: &mut Client| client.clear(pb::ClearReleaseRequest {}).await;
                coordinators.each(clear).await
            }
        }
    }
}

impl Coordinators {
    /// Calls each coordinator in turn and shows its releases.
    async fn each(self, call: impl AsyncFn(&mut Client) -> Listed) -> anyhow::Result<ExitCode> {
        let list = async |channel| call(&mut Client::new(channel)).await.map(Response::into_inner);
        let show = |answer: pb::ListReleasesResponse| match self.json {
            true => say(format_args!("{:#}", protojson::to_value(&answer)?)),
            false => say(shown(&answer)),
        };
        each_endpoint(&self.endpoint, self.timeout, list, show).await
    }
}

/// A line for each change, the newest first: in force, previous (the target of a rollback), older.
fn shown(listed: &pb::ListReleasesResponse) -> String {
    let header = ["release", "strategic", "tactical", "operational", "since", ""];
    let mut lines = text_columns(&header);
    for (place, change) in listed.history.iter().enumerate() {
        let [name, strategic, tactical, operational] = match &change.release {
            Some(release) => [
                release.name.clone(),
                release.strategic.to_string(),
                release.tactical.to_string(),
                release.operational.to_string(),
            ],
            None => ["none", "by traffic", "by traffic", "by traffic"].map(str::to_owned),
        };
        let since = change.at.map(|at| at.to_string()).unwrap_or_default();
        let state = ["in force", "previous"].get(place).copied().unwrap_or_default().to_owned();
        lines.add_row([name, strategic, tactical, operational, since, state]);
    }
    lines.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_one_version_of_each_layer() {
        let read = |texts: &[&str]| {
            let versions: Result<Vec<LayerVersion>, _> = texts.iter().map(|t| t.parse()).collect();
            release("r2".to_owned(), &versions.unwrap())
        };
        let made = read(&["tactical=3", "operational=1", "strategic=2"]).unwrap();
        assert_eq!((made.strategic, made.tactical, made.operational), (2, 3, 1));
        let error = read(&["tactical=3", "tactical=1", "strategic=2"]).unwrap_err().to_string();
        assert!(error.contains("must have one version"), "{error}");
        for wrong in ["tactical", "tactical=", "tactical=0", "tactical=-1", "=2", "global=2"] {
            assert!(wrong.parse::<LayerVersion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn changes_are_lines_and_the_first_is_in_force() {
        let release =
            pb::Release { name: "r2".to_owned(), strategic: 2, tactical: 2, operational: 1 };
        let change = |release| pb::ReleaseChange { release, at: Some(Default::default()) };
        let listed = pb::ListReleasesResponse {
            in_force: Some(release.clone()),
            previous: None,
            history: vec![change(Some(release)), change(None)],
        };
        let text = shown(&listed);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert!(lines[0].contains("r2") && lines[0].contains("in force"), "{text}");
        assert!(lines[1].contains("by traffic") && lines[1].contains("previous"), "{text}");
        assert!(text.contains("1970-01-01T00:00:00Z"), "{text}");
    }
}
