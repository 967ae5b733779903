//! The subcommands.

mod catalogue;
mod decide;
mod each_endpoint;
mod health;
mod models;
mod releases;
mod replay;
mod report;
mod requests;
mod up;
mod versions;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Starts Strata's services, asks them for decisions, and replays a real trace through them.
#[derive(Debug, Parser)]
#[command(name = "strata", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the four services and keep them running until Ctrl-C, which drains them
    Up(up::Up),
    /// Ask for one decision
    Decide(Box<decide::Decide>),
    /// Ask a server whether it is ready
    Health(health::Health),
    /// Replay the bundled trace and show what was decided
    Replay(replay::Replay),
    /// Compare the services' decisions with baselines on a trace, as a page with pictures
    Report(report::Report),
    /// Change the versions that layers serve; publish and verify models of your own
    Models(models::Models),
    /// Pin a version of each layer's model under a name, and switch the three together
    Releases(releases::Releases),
    /// List, show, check and compare catalogues of placements
    Catalogue(catalogue::Catalogues),
    /// Write decision requests made from the bundled trace, for ghz and the like
    Requests(requests::Requests),
}

impl Arguments {
    /// Runs the command. Exit codes: 0 success, 1 failure, 2 a command line that clap refuses, 130
    /// and 143 ended by SIGINT and SIGTERM.
    ///
    /// # Errors
    /// Those of the command.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(command) => command.run().await,
            Command::Decide(command) => command.run().await,
            Command::Health(command) => command.run().await,
            Command::Replay(command) => command.run().await,
            Command::Report(command) => command.run().await,
            Command::Models(command) => command.run().await,
            Command::Releases(command) => command.run().await,
            Command::Catalogue(command) => command.run().await,
            Command::Requests(command) => command.run(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_request_comes_from_flags_or_from_a_file() {
        parse("strata decide --application a --function f --duration-ms 10").unwrap();
        parse("strata decide --file - --json --timeout 1s").unwrap();
        for line in [
            "strata decide",
            "strata decide --application a",
            "strata decide --file - --application a --function f",
            "strata decide --file - --duration-ms 5",
            "strata decide --file - --steady",
            "strata decide --file - --explain",
        ] {
            parse(line).unwrap_err();
        }
    }

    #[test]
    fn arguments_of_the_trainer_are_passed_on() {
        parse("strata models import --layer tactical net.pt --scaler scaler.yaml").unwrap();
        parse("strata models import --help").unwrap();
        parse("strata models verify").unwrap();
        parse("strata models verify models").unwrap();
        parse("strata models publish").unwrap_err();
    }

    #[test]
    fn versions_are_changed_where_one_says() {
        parse("strata models list").unwrap();
        parse("strata models load --endpoint http://a:1,http://b:1").unwrap();
        parse("strata models traffic 1=90 2=10 --shadow 3 --endpoint http://a:1").unwrap();
        parse("strata models rollback --endpoint http://a:1 --json").unwrap();
        for line in ["load 2", "unload --endpoint http://a:1", "unload 0 --endpoint http://a:1"] {
            parse(&format!("strata models {line}")).unwrap_err();
        }
        parse("strata models traffic --endpoint http://a:1").unwrap_err();
        parse("strata models traffic two --endpoint http://a:1").unwrap_err();
    }

    #[test]
    fn a_release_names_all_three_layers() {
        parse("strata releases list").unwrap();
        parse("strata releases switch r2 strategic=2 tactical=2 operational=1").unwrap();
        parse("strata releases rollback --endpoint http://a:1,http://b:1 --json").unwrap();
        parse("strata releases clear").unwrap();
        for line in ["switch", "switch r2 strategic=2 tactical=2", "switch r2 a=1 b=1 c=1"] {
            parse(&format!("strata releases {line}")).unwrap_err();
        }
    }

    #[test]
    fn times_are_bounded() {
        for flag in ["decide --file - --timeout", "health --timeout", "up --ready-within"]
            .into_iter()
            .chain(["replay --up --ready-within"])
        {
            parse(&format!("strata {flag} 1h")).unwrap();
            for time in ["0s", "61m", "100000000000y"] {
                let error = parse(&format!("strata {flag} {time}")).unwrap_err().to_string();
                assert!(error.contains("above 0 and at most 1h"), "{flag} {time}: {error}");
            }
        }
    }

    #[test]
    fn a_placement_is_given_whole() {
        let request = "strata decide --application a --function f --duration-ms 10";
        parse(&format!("{request} --platform aws-lambda --region eu-west-1 --memory 512")).unwrap();
        for part in ["--platform x", "--platform x --memory 512", "--region eu-west-1"] {
            parse(&format!("{request} {part}")).unwrap_err();
        }
    }

    #[test]
    fn callers_are_in_one_place() {
        let request = "strata decide --application a --function f --duration-ms 10";
        for home in ["--home-area eu-west", "--home-region aws/eu-west-1", "--home-point -33.9,-7"]
        {
            parse(&format!("{request} {home}")).unwrap();
        }
        for home in ["--home-area a --home-region b", "--home-point 50", "--home-point a,b"] {
            parse(&format!("{request} {home}")).unwrap_err();
        }
    }

    #[test]
    fn catalogues_are_shown_checked_and_compared() {
        for line in [
            "list",
            "list --catalogue world",
            "list --endpoint http://a:1",
            "show",
            "show world --section platforms.aws-lambda",
            "check own.yaml --stale-years 2",
            "diff research world",
            "schema",
            "reload --endpoint http://a:1",
        ] {
            parse(&format!("strata catalogue {line}")).unwrap();
        }
        for line in ["", "check", "diff world", "list --catalogue world --endpoint http://a:1"] {
            parse(&format!("strata catalogue {line}")).unwrap_err();
        }
    }
}
