//! The echo server as a child process.

use std::process::Stdio;

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A running `strata-bench --echo-server`. Dropping it kills the process.
pub(crate) struct EchoProcess {
    endpoint: String,
    _process: Child,
}

impl EchoProcess {
    /// Starts the echo server on a free port.
    ///
    /// # Errors
    /// When the process cannot be started, or does not listen.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut process = Command::new(program)
            .arg("--echo-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("the echo server cannot be started")?;
        let stdout = process.stdout.take().context("standard output of a child was not piped")?;
        let address = BufReader::new(stdout).lines().next_line().await?;
        let address = address.context("the echo server ended before it listened")?;
        Ok(Self { endpoint: format!("http://{address}"), _process: process })
    }

    /// The endpoint of the echo server.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
