//! One service as a real process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tempfile::NamedTempFile;
use tonic::transport::{Channel, Endpoint};

use crate::{eventually, free_ports, get, program, root};

/// How a service is started.
#[derive(Debug, Clone)]
pub struct Spec {
    name: &'static str,
    ports: [u16; 2],
    env: BTreeMap<String, String>,
}

impl Spec {
    /// A service on free ports, with logs as JSON.
    pub fn new(name: &'static str) -> Self {
        let spec = Self { name, ports: free_ports(), env: BTreeMap::new() };
        let [grpc, admin] = spec.ports;
        spec.set("GRPC_LISTEN", format!("127.0.0.1:{grpc}"))
            .set("ADMIN_LISTEN", format!("127.0.0.1:{admin}"))
            .set("TELEMETRY_LOG_FORMAT", "json")
            .set("SHUTDOWN_SETTLE", "100ms")
    }

    /// The four services as one process, on free ports. Its addresses are those of the coordinator; settings begin with the name of
    /// the service they are of: `TACTICAL_GRPC_LISTEN`.
    pub fn node() -> Self {
        let ports: [u16; 8] = free_ports();
        let spec = Self { name: "strata-node", ports: [ports[0], ports[1]], env: BTreeMap::new() };
        let spec = spec.set("TELEMETRY_LOG_FORMAT", "json").set("SHUTDOWN_SETTLE", "100ms");
        let services = ["COORDINATOR", "STRATEGIC", "TACTICAL", "OPERATIONAL"];
        services.into_iter().zip(ports.chunks_exact(2)).fold(spec, |spec, (service, ports)| {
            spec.set(&format!("{service}_GRPC_LISTEN"), format!("127.0.0.1:{}", ports[0]))
                .set(&format!("{service}_ADMIN_LISTEN"), format!("127.0.0.1:{}", ports[1]))
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// With a setting: the part of its environment variable behind `STRATA_<NAME>_`.
    #[must_use]
    pub fn set(mut self, setting: &str, value: impl Into<String>) -> Self {
        self.env.insert(self.variable(setting), value.into());
        self
    }

    /// A setting that was made.
    ///
    /// # Panics
    /// When it was not.
    pub fn setting(&self, setting: &str) -> &str {
        &self.env[&self.variable(setting)]
    }

    fn variable(&self, setting: &str) -> String {
        let name = self.name.trim_start_matches("strata-");
        format!("STRATA_{}_{setting}", name.to_uppercase())
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Starts it, and does not wait for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&self) -> Process {
        let log = NamedTempFile::new().expect("a file for the log");
        let child = command(self.name)
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().expect("the log, to be written to"))
            .spawn()
            .expect("the program starts");
        Process { spec: self.clone(), child, log }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(&self) -> Process {
        let mut process = self.spawn();
        process.wait_ready();
        process
    }
}

/// A command of a program that knows nothing of the settings of whoever runs the tests, but for
/// where ONNX Runtime and the models are.
///
/// # Panics
/// When it was not built.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let kept = text == "STRATA_ORT_LIB" || text.ends_with("_MODELS_DIR");
        if text.starts_with("STRATA_") && !kept {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started, or does not end in a minute: it is killed then.
pub fn finish(mut command: Command) -> Output {
    let [out, err] = [(); 2].map(|()| NamedTempFile::new().expect("a file for the output"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.reopen().expect("the output, to be written to"))
        .stderr(err.reopen().expect("the errors, to be written to"))
        .spawn()
        .expect("the program starts");
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("a program to end", || child.try_wait().expect("its state"))
    }));
    let status = ended.unwrap_or_else(|hung| {
        let _ = child.kill();
        let _ = child.wait();
        std::panic::resume_unwind(hung)
    });
    let read = |file: &NamedTempFile| std::fs::read(file.path()).expect("the output");
    Output { status, stdout: read(&out), stderr: read(&err) }
}

/// A running service. Dropping it kills it, and shows its log if the test failed.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    log: NamedTempFile,
}

impl Process {
    /// How it was started.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its gRPC address.
    pub fn grpc(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.spec.ports[0]).into()
    }

    /// The address of its admin server.
    pub fn admin(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.spec.ports[1]).into()
    }

    /// A connection of one's own, made when it is first used.
    ///
    /// # Panics
    /// Not with an address like this.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.spec.endpoint()).expect("an endpoint").connect_lazy()
    }

    /// Waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends, or is not ready in a minute.
    pub fn wait_ready(&mut self) {
        eventually(&format!("{} to be ready", self.spec.name), || {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                panic!("{} ended: {status}", self.spec.name);
            }
            get(self.admin(), "/readyz").filter(|answer| answer.status == 200)
        });
    }

    /// Its metrics.
    ///
    /// # Panics
    /// When it gives none.
    pub fn metrics(&self) -> String {
        let answer = get(self.admin(), "/metrics").expect("metrics");
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// Everything it has logged.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        File::open(self.log.path())
            .and_then(|mut log| log.read_to_end(&mut bytes))
            .expect("the log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("a process to signal");
    }

    /// Stops it where it is, as a process that hangs, and waits until all its threads have stopped.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED).expect("a process that stops");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it has ended.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in a minute.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.spec.name;
        eventually(&format!("{name} to end"), || self.child.try_wait().expect("its state"))
    }

    /// Kills it and waits for its end, as when a machine is lost.
    ///
    /// # Panics
    /// When it does not end in a minute.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- log of {}\n{}", self.spec.name, self.log());
        }
    }
}
