//! `strata up`: the four services until a signal.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal};
use strata_tests::{FUNCTION_FLAGS, LAYERS, command, eventually, strata};

const SERVICES: [&str; 4] = ["coordinator", "strategic", "tactical", "operational"];

/// A running `strata up`.
struct Up {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// The line that says that all services are ready, with their addresses by name.
    ready: String,
    log: tempfile::NamedTempFile,
}

impl Up {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(flags: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = command("strata")
            .args(["up", "--free-ports"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        assert!(ready.contains("ready"), "{ready}");
        Self { child, _stdout: stdout, ready, log }
    }

    fn address(&self, service: &str) -> String {
        let place = self.ready.split_once(&format!("{service} ")).unwrap().1;
        place.split([',', '\n']).next().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("strata up to end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // If it were killed, the services that it started would go on.
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::TERM);
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

#[test]
fn up_says_ready_serves_and_drains_on_ctrl_c() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut up = Up::start();
        let coordinator = up.address("coordinator");
        strata(&format!("decide --endpoint http://{coordinator} {FUNCTION_FLAGS}"))
            .expect_success();
        up.signal(signal);
        assert_eq!(up.wait().code(), Some(0));
        for service in SERVICES {
            TcpStream::connect(up.address(service)).unwrap_err();
        }
        // The log has the lines of all services. The layers drained after the coordinator had
        // stopped.
        let log = std::fs::read_to_string(up.log.path()).unwrap();
        let line = |service: &str, message: &str| {
            let message = format!("\"message\":\"{message}\"");
            let found = |line: &str| line.starts_with(service) && line.contains(&message);
            log.lines().position(found).unwrap_or_else(|| panic!("{service} {message}:\n{log}"))
        };
        let stopped = line("coordinator", "stopped");
        for layer in LAYERS {
            assert!(stopped < line(layer, "draining"), "{log}");
        }
        assert!(!log.contains("\"ERROR\""), "{log}");
    }
}

#[test]
fn up_in_process_serves_the_same_ports_from_one_program() {
    let mut up = Up::start_with(&["--in-process"]);
    for service in SERVICES {
        strata(&format!("health http://{}", up.address(service))).expect_success();
    }
    strata(&format!("decide --endpoint http://{} {FUNCTION_FLAGS}", up.address("coordinator")))
        .expect_success();
    up.signal(Signal::INT);
    assert_eq!(up.wait().code(), Some(0));
    let log = std::fs::read_to_string(up.log.path()).unwrap();
    assert!(log.lines().all(|line| line.starts_with("strata-node | ")), "{log}");
    assert!(log.contains("\"stopped\"") && !log.contains("\"ERROR\""), "{log}");
}

#[test]
fn up_ends_at_once_on_a_second_signal() {
    let mut up = Up::start();
    up.signal(Signal::TERM);
    up.signal(Signal::INT);
    let code = up.wait().code();
    assert!([Some(130), Some(143)].contains(&code), "{code:?}");
    let coordinator = up.address("coordinator");
    eventually("the services to be gone", || TcpStream::connect(&coordinator).err());
}
