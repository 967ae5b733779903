//! A service as a child process.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    task::JoinHandle,
};

use crate::service::Service;

/// Receives each line that a service logs.
pub type LogSink = Arc<dyn Fn(Service, &str) + Send + Sync>;

/// Last lines that are kept, to explain an early end.
const TAIL_LINES: usize = 12;
/// Time to read the rest of the output of a child that has ended; its own children may hold the
/// pipe open for longer.
const OUTPUT_LIMIT: Duration = Duration::from_secs(1);

type Tail = Arc<Mutex<VecDeque<String>>>;

/// A running service. Dropping it kills the process.
pub(crate) struct Child {
    service: Service,
    process: tokio::process::Child,
    tail: Tail,
    reader: JoinHandle<()>,
}

impl Child {
    /// Starts the program in its own process group: Ctrl-C on the terminal then reaches only the
    /// parent, which drains the services in the right order.
    pub(crate) fn spawn(
        service: Service,
        bin_dir: &Path,
        env: Vec<(String, String)>,
        log: LogSink,
    ) -> anyhow::Result<Self> {
        let program = program(service, bin_dir)?;
        let mut process = Command::new(&program)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let stderr = process.stderr.take().context("standard error of the child is not piped")?;
        let tail = Tail::default();
        let reader = tokio::spawn(log_lines(service, BufReader::new(stderr), tail.clone(), log));
        Ok(Self { service, process, tail, reader })
    }

    pub(crate) fn service(&self) -> Service {
        self.service
    }

    /// The process id, until the process has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Waits until the process ends. Cancel safe.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        match id.and_then(Pid::from_raw) {
            Some(pid) => rustix::process::kill_process(pid, signal)
                .with_context(|| format!("{} cannot be signalled", self.service.name())),
            None => Ok(()),
        }
    }

    /// Waits until all output of a process that has ended is logged.
    pub(crate) async fn output_logged(&mut self) {
        if !self.reader.is_finished() {
            let _ = tokio::time::timeout(OUTPUT_LIMIT, &mut self.reader).await;
        }
    }

    /// The last lines that the process has logged.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return "  (nothing)".to_owned();
        }
        let indented: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
        indented.join("\n")
    }
}

/// The program of a service.
///
/// # Errors
/// When the program is missing: how to build it.
pub(crate) fn program(service: Service, bin_dir: &Path) -> anyhow::Result<PathBuf> {
    let program = bin_dir.join(service.name());
    if !program.is_file() {
        let (name, dir) = (service.name(), bin_dir.display());
        bail!("there is no program {name} in {dir}; run `make build`, or name --bin-dir");
    }
    Ok(program)
}

async fn log_lines(
    service: Service,
    mut stderr: BufReader<impl AsyncRead + Unpin>,
    tail: Tail,
    log: LogSink,
) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match stderr.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        log(service, text);
        let mut lines = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(text.to_owned());
    }
}
