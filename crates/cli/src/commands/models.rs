//! `strata models`

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitCode, ExitStatus},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use strata_cluster::own_dir;

use super::versions;

/// Change the versions that running layers serve, publish models of your own, and verify published
/// models.
#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    command: Command,
}

/// The program `trainer` does import, quantize and verify: their arguments are passed on unchanged.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show the versions of layers: available, loaded, and with which traffic
    List(versions::List),
    /// Load a version beside the loaded ones; it gets no traffic yet
    Load(versions::Load),
    /// Unload a version that has no traffic
    Unload(versions::Unload),
    /// Split the traffic among loaded versions, and run others as shadows
    Traffic(versions::Traffic),
    /// Return to the traffic before the last change
    Rollback(versions::Rollback),
    /// Publish a PyTorch checkpoint or an ONNX graph as a new version (`import --help` for more)
    #[command(disable_help_flag = true)]
    Import(Passed),
    /// Publish an int8 variant beside a version's graph, with its loss of accuracy (`quantize
    /// --help` for more)
    #[command(disable_help_flag = true)]
    Quantize(Passed),
    /// Check every published model of a directory: hash, manifest, parity, finite outputs
    #[command(disable_help_flag = true)]
    Verify(Passed),
}

#[derive(Debug, Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Models {
    /// Asks the layers; or runs the trainer beside this program, and returns its exit code.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (command, passed) = match self.command {
            Command::List(command) => return command.run().await,
            Command::Load(command) => return command.run().await,
            Command::Unload(command) => return command.run().await,
            Command::Traffic(command) => return command.run().await,
            Command::Rollback(command) => return command.run().await,
            Command::Import(passed) => ("import", passed),
            Command::Quantize(passed) => ("quantize", passed),
            Command::Verify(passed) => ("verify", passed),
        };
        run_trainer(&own_dir()?, command, &passed.arguments).await
    }
}

async fn run_trainer(
    dir: &Path,
    command: &str,
    arguments: &[OsString],
) -> anyhow::Result<ExitCode> {
    let program = dir.join("trainer");
    if !program.is_file() {
        bail!(
            "there is no program trainer in {}; build it with `make trainer` or \
             `cargo build --release -p strata-trainer`",
            dir.display()
        );
    }
    // The trainer shares the terminal, so that Ctrl-C reaches it too.
    let status = tokio::process::Command::new(&program)
        .arg(command)
        .args(arguments)
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("{} cannot be started", program.display()))?;
    Ok(code(status))
}

/// The exit code of the program; 128 + N, as shells do, if signal N ended it.
fn code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[tokio::test]
    async fn the_trainer_gets_the_arguments_and_gives_its_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("trainer");
        let heard = dir.path().join("heard");
        let script = format!("#!/bin/sh\necho \"$@\" > {}\nexit 7\n", heard.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let ended =
            run_trainer(dir.path(), "import", &arguments("--layer tactical a.pt")).await.unwrap();
        assert_eq!(ended, ExitCode::from(7));
        assert_eq!(std::fs::read_to_string(heard).unwrap(), "import --layer tactical a.pt\n");
    }

    #[tokio::test]
    async fn a_missing_trainer_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        for command in ["import", "quantize", "verify"] {
            let error = run_trainer(dir.path(), command, &[]).await.unwrap_err().to_string();
            for part in
                ["no program trainer", "make trainer", "cargo build --release -p strata-trainer"]
            {
                assert!(error.contains(part), "{error}");
            }
        }
    }
}
