//! One service as a real process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tempfile::NamedTempFile;
use tonic::transport::{Channel, Endpoint};

use crate::{commands::command, http::get, metrics::metric, spec::Spec, waiting::eventually};

/// A running service. Dropping it kills it, and shows its log if the test failed.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    log: NamedTempFile,
}

impl Spec {
    /// Starts it, and does not wait for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&self) -> Process {
        let log = NamedTempFile::new().expect("a file for the log");
        let child = command(self.name())
            .envs(self.env())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().expect("a handle for the log"))
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
        (Ipv4Addr::LOCALHOST, self.spec.ports()[0]).into()
    }

    /// The address of its admin server.
    pub fn admin(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.spec.ports()[1]).into()
    }

    /// A new connection, made when it is first used.
    ///
    /// # Panics
    /// Not with an address like this.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.spec.endpoint()).expect("an endpoint").connect_lazy()
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it ends, or is not ready in a minute.
    pub fn wait_ready(&mut self) {
        eventually(&format!("{} to be ready", self.spec.name()), || {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                panic!("{} ended: {status}", self.spec.name());
            }
            self.is_ready().then_some(())
        });
    }

    /// Waits until its server has accepted `calls` calls of `method`.
    ///
    /// # Panics
    /// When it has not in a minute.
    pub fn wait_for_calls(&self, method: &str, calls: f64) {
        eventually(&format!("{calls} calls of {method}"), || {
            let started = self.metric("grpc_server_started_total", &[("grpc_method", method)]);
            (started >= calls).then_some(())
        });
    }

    /// Waits until it says that it is not ready any more.
    ///
    /// # Panics
    /// When it still is after a minute.
    pub fn wait_for_drain(&self) {
        eventually("the drain", || {
            get(self.admin(), "/readyz").filter(|answer| answer.status == 503)
        });
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        get(self.admin(), "/readyz").is_some_and(|answer| answer.status == 200)
    }

    /// Its page of metrics.
    ///
    /// # Panics
    /// When it gives none.
    pub fn metrics(&self) -> String {
        let answer = get(self.admin(), "/metrics").expect("metrics");
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// The value of the one series `name` with these labels.
    ///
    /// # Panics
    /// When there is no such series, or more than one.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metric(&self.metrics(), name, labels)
    }

    /// Everything it has logged.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log.path()).expect("the log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines of its log that contain `text`.
    pub fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("a process to signal");
    }

    /// Stops it, so that it hangs, and waits until all its threads have stopped.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED).expect("a process that stops");
    }

    /// Continues it after [`Process::pause`].
    ///
    /// # Panics
    /// When it has ended.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid")
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not end in a minute.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.spec.name();
        eventually(&format!("{name} to end"), || self.child.try_wait().expect("its state"))
    }

    /// Kills it and waits until it has ended, as when a machine is lost.
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
            eprintln!("---- log of {}\n{}", self.spec.name(), self.log());
        }
    }
}
