//! The program `strata`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use strata_tests::{Shared, command, eventually, finish};

static SHARED: Shared = Shared::new();

fn run(line: &str) -> Output {
    let mut command = command("strata");
    command.args(line.split_whitespace());
    finish(command)
}

fn good(line: &str) -> String {
    let output = run(line);
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}\n{out}\n{err}");
    out
}

/// A running `strata up`, and its addresses by name.
struct Up {
    child: Child,
    _stdout: BufReader<ChildStdout>,
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
        // Its services end with it only if it ends by itself.
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::TERM);
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

const FLAGS: &str = "--application shop --function pay --avg-duration-ms 300 --memory-mb 200 \
                     --provider aws --region eu-west-1 --memory 1024 --rate 300 --steady";

#[test]
fn up_says_ready_serves_and_drains_on_ctrl_c() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut up = Up::start();
        let coordinator = up.address("coordinator");
        good(&format!("decide --endpoint http://{coordinator} {FLAGS}"));
        up.signal(signal);
        assert_eq!(up.wait().code(), Some(0));
        for service in ["coordinator", "strategic", "tactical", "operational"] {
            std::net::TcpStream::connect(up.address(service)).unwrap_err();
        }
        // Everybody's log is shown, and nobody lost the layers before the coordinator was done.
        let log = std::fs::read_to_string(up.log.path()).unwrap();
        let line = |service: &str, message: &str| {
            let message = format!("\"message\":\"{message}\"");
            let found = |line: &str| line.starts_with(service) && line.contains(&message);
            log.lines().position(found).unwrap_or_else(|| panic!("{service} {message}:\n{log}"))
        };
        let stopped = line("coordinator", "stopped");
        for layer in ["strategic", "tactical", "operational"] {
            assert!(stopped < line(layer, "draining"), "{log}");
        }
        assert!(!log.contains("\"ERROR\""), "{log}");
    }
}

#[test]
fn up_in_process_serves_the_same_ports_from_one_program() {
    let mut up = Up::start_with(&["--in-process"]);
    for service in ["coordinator", "strategic", "tactical", "operational"] {
        good(&format!("health http://{}", up.address(service)));
    }
    good(&format!("decide --endpoint http://{} {FLAGS}", up.address("coordinator")));
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
    eventually("the services to be gone", || std::net::TcpStream::connect(&coordinator).err());
}

#[test]
fn decide_prints_an_answer_to_read_and_one_to_parse() {
    let cluster = SHARED.get();
    let endpoint = cluster.coordinator.spec().endpoint();
    let text = good(&format!("decide --endpoint {endpoint} {FLAGS} --explain"));
    for part in ["shop/pay", "run on", "runs on", "next 15 s", "strategic v2", "tactical scores:"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let text = good(&format!(
        "decide --endpoint {endpoint} {FLAGS} --json --correlation-id c7 --at 2026-11-24T10:00:00Z \
         --allow-providers gcp --allow-regions us-west-2 --min-memory 512 --max-memory 512 \
         --weights 1,0,0"
    ));
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["correlationId"], "c7");
    let expected = json!({
        "provider": "PROVIDER_GCP",
        "region": "REGION_US_WEST_2",
        "memoryMb": 512,
        "providerRegion": "us-west1",
    });
    assert_eq!(answer["placement"], expected);
    assert_eq!(answer["layers"][2]["layer"], "LAYER_OPERATIONAL");
    assert!(answer["estimate"]["costUsd"].is_number() && answer["currentEstimate"].is_object());
}

#[test]
fn decide_takes_a_request_from_a_file_or_standard_input() {
    let cluster = SHARED.get();
    let endpoint = cluster.coordinator.spec().endpoint();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("requests.json");
    good(&format!("requests --limit 3 --out {}", path.display()));
    let requests: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(requests.len(), 3);
    let one = dir.path().join("one.json");
    std::fs::write(&one, requests[0].to_string()).unwrap();
    let answer = good(&format!("decide --endpoint {endpoint} --json --file {}", one.display()));
    let mut child = command("strata")
        .args(["decide", "--endpoint", &endpoint, "--json", "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(requests[0].to_string().as_bytes()).unwrap();
    let piped = child.wait_with_output().unwrap();
    let placement =
        |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap()["placement"].clone();
    assert_eq!(placement(&piped.stdout), placement(answer.as_bytes()));
}

#[test]
fn decide_shows_every_field_that_is_wrong_and_fails() {
    let cluster = SHARED.get();
    let endpoint = cluster.coordinator.spec().endpoint();
    let output = run(&format!(
        "decide --endpoint {endpoint} --application shop --function pay --avg-duration-ms -1 \
         --rate nan"
    ));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in
        ["INVALID_ARGUMENT", "workload.avg_duration_ms: ", "workload.invocation_rate_per_minute: "]
    {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let [port] = strata_tests::free_ports();
    let output = run(&format!("decide --endpoint http://127.0.0.1:{port} {FLAGS}"));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("UNAVAILABLE") && said.contains(&port.to_string()), "{said}");
}

#[test]
fn replay_starts_what_it_needs_decides_everything_and_stops_it() {
    let report = good("replay --up --limit 200 --part test");
    assert!(report.starts_with("200 decisions in "), "{report}");
    for part in ["0 faults", "end to end", "operational", "p99", "us-east-1", "by calls", "change"]
    {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}

#[test]
fn replay_fails_when_requests_are_not_decided() {
    let mut cluster = strata_tests::Cluster::start();
    cluster.operational.kill();
    let endpoint = cluster.coordinator.spec().endpoint();
    let output = run(&format!("replay --endpoint {endpoint} --limit 50 --part test"));
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("50 faults") && report.contains("UNAVAILABLE: 50"), "{report}");
}

#[test]
fn bench_measures_in_rounds_and_writes_keys() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let only = "echo,decide_unary,decide_stream_256,unix,tactical,decide_open_50,reload,ready,rss";
    let json = file.path().display();
    let table = good(&format!("bench --rounds 2 --duration 40ms --only {only} --json {json}"));
    for part in ["bare tonic echo", "DecideStream", "p99.9 us", "rss_total_mb", "medians of 2"] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let figures: Value = serde_json::from_reader(file.reopen().unwrap()).unwrap();
    for key in [
        "echo_unary_1_p50_us",
        "echo_stream_256_rps",
        "decide_unary_64_rps",
        "decide_stream_256_p999_us",
        "unix_decide_1_p50_us",
        "unix_decide_64_cpu_us",
        "tactical_unary_64_rps",
        "tactical_oip_64_rps",
        "tactical_frames_64_rps",
        "decide_open_50pct_p99_us",
        "reload_p99_before_us",
        "reload_p99_during_us",
        "rss_total_mb",
        "ready_ms",
    ] {
        assert!(figures[key].as_f64().is_some_and(|value| value > 0.0), "{key}: {figures}");
        assert_eq!(figures["samples"][key].as_array().unwrap().len(), 2, "{key}");
    }
    assert_eq!(figures["errors"], json!({}), "{figures}");
    assert!(figures["machine"]["cores"].as_u64().unwrap() > 0);
    let targets = figures["targets"].as_array().unwrap();
    assert!(targets.iter().any(|target| target["what"].as_str().unwrap().contains("p99 while")));
}

#[test]
fn bench_of_a_running_coordinator_is_next_to_an_echo() {
    let cluster = strata_tests::Cluster::start();
    let endpoint = cluster.coordinator.spec().endpoint();
    let table = good(&format!("bench --quick --duration 40ms --endpoint {endpoint} --callers 1,3"));
    for part in ["bare tonic echo, 3 callers", "Decide, 3 callers", "DecideStream, 256"] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn bench_refuses_names_of_nothing() {
    let output = run("bench --only speed");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--only speed is the beginning of no"), "{said}");
}
