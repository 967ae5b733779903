//! Clusters of shell scripts in place of services, none of which becomes ready.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    cluster::{Cluster, Options},
    plan::Ports,
    service::Service,
    settings::node_env,
};

/// Runs until it is told to stop, and says so.
const PATIENT: &str =
    "trap 'echo drained >&2; exit 0' TERM; : > $0.started; while :; do sleep 0.05; done";
/// Ends by itself once the other two layers run.
const DYING: &str =
    "until [ $(ls $(dirname $0)/*.started 2>/dev/null | wc -l) = 2 ]; do sleep 0.01; done
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
        models: None,
        catalogue: None,
        settings: Vec::new(),
        in_process: false,
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
async fn one_process_is_told_what_the_four_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Service::Node.name());
    let telling = "env | grep ^STRATA_NODE_.*DIR | sort >&2; exit 1";
    std::fs::write(&path, format!("#!/bin/sh\n{telling}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let named = Options {
        models: Some("of/mine".into()),
        in_process: true,
        ..options(dir.path(), &Lines::default(), LONG)
    };
    let error = format!("{:#}", Cluster::start(named).await.err().unwrap());
    assert!(error.contains("strata-node ended (exit status: 1)"), "{error}");
    for layer in ["OPERATIONAL", "STRATEGIC", "TACTICAL"] {
        assert!(error.contains(&format!("STRATA_NODE_{layer}_MODELS_DIR=of/mine")), "{error}");
    }
}

#[test]
fn settings_of_the_four_become_those_of_the_one() {
    let env = [
        ("STRATA_TACTICAL_MODELS_VERSION", "1"),
        ("STRATA_COORDINATOR_REQUESTS_MAX_TIMEOUT", "9s"),
        ("STRATA_COORDINATOR_LAYERS_TACTICAL", "http://elsewhere:1"),
        ("STRATA_TACTICAL_TELEMETRY_LOG_FILTER", "debug"),
        ("HOME", "/"),
    ];
    let said = node_env(env.map(|(name, value)| (name.into(), value.into())));
    let expected = [
        ("STRATA_NODE_TACTICAL_MODELS_VERSION", "1"),
        ("STRATA_NODE_COORDINATOR_REQUESTS_MAX_TIMEOUT", "9s"),
    ];
    assert_eq!(said, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn one_that_ends_early_is_named_with_its_last_words_and_the_others_are_drained() {
    let (error, lines) = failure([PATIENT, DYING, PATIENT, PATIENT], LONG).await;
    assert!(error.contains("tactical ended (exit status: 3)"), "{error}");
    assert!(error.contains("grpc.listen cannot be bound"), "{error}");
    let lines = lines.lock().unwrap();
    let drained: BTreeSet<_> =
        lines.iter().filter(|(_, line)| line == "drained").map(|(name, _)| *name).collect();
    // The coordinator was to come when the layers are ready.
    assert_eq!(drained, BTreeSet::from(["operational", "strategic"]), "{lines:?}");
}

#[tokio::test]
async fn one_that_is_never_ready_is_named() {
    let (error, _) = failure([PATIENT; 4], Duration::from_millis(300)).await;
    assert!(error.contains("strategic is not ready after 300ms"), "{error}");
    assert!(error.contains("(nothing)"), "{error}");
}

#[tokio::test]
async fn services_are_told_where_to_listen() {
    let telling = "echo $STRATA_TACTICAL_GRPC_LISTEN $STRATA_TACTICAL_ADMIN_LISTEN >&2; exit 1";
    let (error, _) = failure([PATIENT, telling, PATIENT, PATIENT], LONG).await;
    let (grpc, admin) = error.lines().last().unwrap().trim().split_once(' ').unwrap();
    assert!(grpc.starts_with("127.0.0.1:") && admin.starts_with("127.0.0.1:"), "{error}");
    assert_ne!(grpc, admin);
}

#[tokio::test]
async fn layers_are_told_which_models_to_serve() {
    let dir = tempfile::tempdir().unwrap();
    let telling = "echo \"serving $STRATA_TACTICAL_MODELS_DIR\" >&2; exit 1";
    programs(dir.path(), [PATIENT, telling, PATIENT, PATIENT]);
    let named =
        Options { models: Some("of/mine".into()), ..options(dir.path(), &Lines::default(), LONG) };
    let error = format!("{:#}", Cluster::start(named).await.err().unwrap());
    assert!(error.ends_with("serving of/mine"), "{error}");
}
