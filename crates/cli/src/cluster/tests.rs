//! Clusters of shell scripts that stand in for services that never become ready.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

/// Runs until it is told to stop, and says so.
const PATIENT: &str =
    "trap 'echo drained >&2; exit 0' TERM; : > $0.started; while :; do sleep 0.05; done";
/// Ends by itself once the other three run.
const DYING: &str =
    "until [ $(ls $(dirname $0)/*.started 2>/dev/null | wc -l) = 3 ]; do sleep 0.01; done
    echo 'grpc.listen cannot be bound' >&2; exit 3";

fn programs(dir: &Path, scripts: [&str; 4]) {
    for (service, script) in Service::ALL.into_iter().zip(scripts) {
        let path = dir.join(service.name());
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

const LONG: Duration = Duration::from_secs(60);

type Lines = Arc<Mutex<Vec<(&'static str, String)>>>;

fn options(dir: &Path, lines: &Lines, ready_within: Duration) -> Options {
    let lines = lines.clone();
    Options {
        bin_dir: Some(dir.to_owned()),
        ports: Ports::Free,
        quiet: false,
        log: Arc::new(move |service, line| {
            lines.lock().unwrap().push((service.name(), line.to_owned()));
        }),
        ready_within,
    }
}

async fn failure(scripts: [&str; 4], within: Duration) -> (String, Lines) {
    let dir = tempfile::tempdir().unwrap();
    programs(dir.path(), scripts);
    let lines = Lines::default();
    let error = Cluster::start(options(dir.path(), &lines, within)).await.err().unwrap();
    (format!("{error:#}"), lines)
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Cluster::start(options(dir.path(), &Lines::default(), LONG)).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("strategic") && text.contains("make build"), "{text}");
}

#[tokio::test]
async fn one_that_ends_early_is_named_with_its_last_words_and_the_others_are_drained() {
    let (error, lines) = failure([PATIENT, DYING, PATIENT, PATIENT], LONG).await;
    assert!(error.contains("tactical ended (exit status: 3)"), "{error}");
    assert!(error.contains("grpc.listen cannot be bound"), "{error}");
    let lines = lines.lock().unwrap();
    let drained: Vec<_> =
        lines.iter().filter(|(_, line)| line == "drained").map(|(name, _)| *name).collect();
    assert_eq!(drained.first(), Some(&"coordinator"), "{lines:?}");
    assert_eq!(drained.len(), 3, "{lines:?}");
}

#[tokio::test]
async fn one_that_is_never_ready_is_named() {
    let (error, _) = failure([PATIENT; 4], Duration::from_millis(300)).await;
    assert!(error.contains("strategic is not ready after 300ms"), "{error}");
    assert!(error.contains("(nothing)"), "{error}");
}

#[tokio::test]
async fn services_are_told_where_to_listen() {
    let dir = tempfile::tempdir().unwrap();
    let telling =
        "echo $STRATA_COORDINATOR_GRPC_LISTEN $STRATA_COORDINATOR_LAYERS_TACTICAL >&2; exit 1";
    programs(dir.path(), [PATIENT, PATIENT, PATIENT, telling]);
    let error = Cluster::start(options(dir.path(), &Lines::default(), LONG)).await.err().unwrap();
    let said = error.to_string();
    let said = said.lines().last().unwrap().trim().to_owned();
    let (listen, tactical) = said.split_once(' ').unwrap();
    assert!(listen.starts_with("127.0.0.1:"), "{said}");
    assert!(tactical.starts_with("http://127.0.0.1:"), "{said}");
    assert!(!tactical.ends_with(listen), "{said}");
}
