//! One service as a child process.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::Service;

/// Takes a line that a service logged.
pub(crate) type LogSink = Arc<dyn Fn(Service, &str) + Send + Sync>;

/// Lines that are kept to explain an early end.
const TAIL_LINES: usize = 12;
/// Time to read what an ended child wrote last; its own children may hold the pipe open for longer.
const LAST_WORDS: Duration = Duration::from_secs(1);

type Tail = Arc<Mutex<VecDeque<String>>>;

/// A running service; killed when dropped.
pub(super) struct Child {
    service: Service,
    process: tokio::process::Child,
    tail: Tail,
    reader: JoinHandle<()>,
}

impl Child {
    /// Starts the program in a process group of its own: Ctrl-C on the terminal reaches only its
    /// parent, which drains the services in the right order.
    pub(super) fn spawn(
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
        let stderr = process.stderr.take().context("standard error of a child was not piped")?;
        let tail = Tail::default();
        let reader = tokio::spawn(read(service, BufReader::new(stderr), tail.clone(), log));
        Ok(Self { service, process, tail, reader })
    }

    pub(super) fn service(&self) -> Service {
        self.service
    }

    /// Its process id, until it has ended.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end. Nothing is lost if the future is dropped.
    pub(super) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Sends a signal, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        match id.and_then(Pid::from_raw) {
            Some(pid) => rustix::process::kill_process(pid, signal)
                .with_context(|| format!("{} cannot be signalled", self.service.name())),
            None => Ok(()),
        }
    }

    /// Waits until everything that a child which has ended wrote has been logged.
    pub(super) async fn heard(&mut self) {
        if !self.reader.is_finished() {
            let _ = tokio::time::timeout(LAST_WORDS, &mut self.reader).await;
        }
    }

    /// Its last lines so far.
    pub(super) fn said(&self) -> String {
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
/// When it is not there, with what to do.
pub(super) fn program(service: Service, bin_dir: &Path) -> anyhow::Result<PathBuf> {
    let program = bin_dir.join(service.name());
    if !program.is_file() {
        let (name, dir) = (service.name(), bin_dir.display());
        bail!("there is no program {name} in {dir}; run `make build`, or name --bin-dir");
    }
    Ok(program)
}

async fn read(
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
