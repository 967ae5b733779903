//! The peers of `tests/peers`: the same chain as it would be built with Python.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use strata_cluster::{Service, free_ports};
use strata_load::{CALLERS_PER_CONNECTION, Caller, channel};
use tokio::process::{Child, Command};

use crate::{
    callers::{PeerGrpc, PeerHttp, PeerRow},
    case::PeerKind,
};

/// The sources of the peers, their Python and the models.
#[derive(Debug, Clone)]
pub(crate) struct PeerFiles {
    pub(crate) sources: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) models: PathBuf,
}

/// A running peer. Dropping it kills its processes.
pub(crate) struct Peer {
    kind: PeerKind,
    address: SocketAddr,
    processes: Vec<Child>,
}

/// The time in which a peer must answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The time in which a peer must stop after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Time between two attempts to reach a peer that does not answer yet.
const POLL: Duration = Duration::from_millis(50);

impl Peer {
    /// Starts a peer and waits until it answers `row`.
    ///
    /// # Errors
    /// When its Python is missing, or the peer does not answer in time.
    pub(crate) async fn start(
        kind: PeerKind,
        files: &PeerFiles,
        row: &PeerRow,
    ) -> anyhow::Result<Self> {
        let ports = free_ports(4)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
        let mut peer = Self { kind, address, processes: Vec::new() };
        match kind {
            PeerKind::FastApi => {
                let port = ports[0].to_string();
                let arguments =
                    ["-m", "uvicorn", "chain_http:app", "--workers", "2", "--port", &port];
                let quiet = ["--no-access-log", "--log-level", "warning"];
                peer.spawn(files, arguments.iter().chain(&quiet))?;
            }
            PeerKind::GrpcAio => {
                let mut arguments = vec!["grpc_coordinator.py".to_owned(), ports[0].to_string()];
                for (layer, port) in Service::LAYERS.into_iter().zip(&ports[1..]) {
                    let port = port.to_string();
                    peer.spawn(files, ["grpc_layer.py", layer.name(), &port].iter())?;
                    arguments.push(format!("127.0.0.1:{port}"));
                }
                peer.spawn(files, arguments.iter().map(String::as_str).collect::<Vec<_>>().iter())?;
            }
        }
        peer.wait_until_ready(row).await?;
        Ok(peer)
    }

    fn spawn<'a>(
        &mut self,
        files: &PeerFiles,
        arguments: impl Iterator<Item = &'a &'a str>,
    ) -> anyhow::Result<()> {
        // One thread for each session, as both projects advise for more processes than cores.
        let process = Command::new(std::path::absolute(&files.python)?)
            .args(arguments)
            .current_dir(&files.sources)
            .env("MODELS_DIR", std::path::absolute(&files.models)?)
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let process = process.with_context(|| {
            format!("{} cannot be started; run `make peers`", files.python.display())
        })?;
        self.processes.push(process);
        Ok(())
    }

    async fn wait_until_ready(&mut self, row: &PeerRow) -> anyhow::Result<()> {
        let until = Instant::now() + READY_WITHIN;
        loop {
            let answered = match self.kind {
                PeerKind::FastApi => match self.http(1, row).await {
                    Ok(mut callers) => callers[0].call(0).await.is_ok(),
                    Err(_) => false,
                },
                PeerKind::GrpcAio => self.grpc(1, row)?[0].call(0).await.is_ok(),
            };
            if answered {
                return Ok(());
            }
            let ended =
                self.processes.iter_mut().any(|process| matches!(process.try_wait(), Ok(Some(_))));
            if ended || Instant::now() > until {
                bail!("the peer {} does not answer", self.kind.name());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Callers of the FastAPI peer.
    ///
    /// # Errors
    /// When a connection cannot be made.
    pub(crate) async fn http(
        &self,
        callers: usize,
        row: &PeerRow,
    ) -> anyhow::Result<Vec<PeerHttp>> {
        let body = Bytes::from(serde_json::to_vec(row)?);
        let mut connected = Vec::new();
        for _ in 0..callers {
            connected.push(PeerHttp::connect(self.address, "/decide", body.clone()).await?);
        }
        Ok(connected)
    }

    /// Callers of the grpc.aio peer.
    ///
    /// # Errors
    /// None: the address is valid.
    pub(crate) fn grpc(&self, callers: usize, row: &PeerRow) -> anyhow::Result<Vec<PeerGrpc>> {
        let connections = callers.div_ceil(CALLERS_PER_CONNECTION);
        let endpoint = format!("http://{}", self.address);
        let channels = (0..connections).map(|_| channel(&endpoint));
        let channels = channels.collect::<anyhow::Result<Vec<_>>>()?;
        let caller = |number: usize| PeerGrpc {
            client: tonic::client::Grpc::new(channels[number / CALLERS_PER_CONNECTION].clone()),
            row: row.clone(),
        };
        Ok((0..callers).map(caller).collect())
    }

    /// The process groups of the peer.
    pub(crate) fn groups(&self) -> Vec<u32> {
        self.processes.iter().filter_map(Child::id).collect()
    }

    /// Stops the peer: SIGTERM, then SIGKILL.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
        let processes = std::mem::take(&mut self.processes);
        for mut process in processes {
            let group = process.id();
            if tokio::time::timeout(STOP_WITHIN, process.wait()).await.is_err() {
                signal_group(group, Signal::KILL);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        self.processes.iter().for_each(|process| signal_group(process.id(), signal));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // uvicorn has worker processes of its own: kill_on_drop does not reach them.
        self.signal(Signal::KILL);
    }
}

fn signal_group(group: Option<u32>, signal: Signal) {
    let group = group.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(group) = group {
        // A group that has ended needs no signal.
        let _ = kill_process_group(group, signal);
    }
}

/// Why the peers cannot be started, if so.
pub(crate) fn missing(files: &PeerFiles) -> Option<String> {
    let there = |path: &Path| path.exists();
    match (there(&files.sources.join("chain.proto")), there(&files.python)) {
        (true, true) => None,
        (false, _) => Some(format!("there are no sources in {}", files.sources.display())),
        (true, false) => Some(format!("there is no {}; run `make peers`", files.python.display())),
    }
}
