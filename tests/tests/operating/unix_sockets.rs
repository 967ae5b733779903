//! A cluster whose processes talk over unix sockets, as the containers of one pod do.

use std::path::Path;

use rustix::process::Signal;
use strata_tests::{FUNCTION_FLAGS, LAYERS, Process, Spec, eventually, strata};

fn socket(dir: &Path, name: &str) -> String {
    format!("unix:{}", dir.join(format!("{name}.sock")).display())
}

fn layer(dir: &Path, name: &'static str) -> Spec {
    Spec::new(name).set("GRPC_LISTEN", socket(dir, name))
}

fn coordinator(dir: &Path) -> Spec {
    LAYERS.into_iter().fold(layer(dir, "coordinator"), |spec, layer| {
        spec.set(&format!("LAYERS_{}", layer.to_uppercase()), socket(dir, layer))
    })
}

fn decides(dir: &Path) -> bool {
    let endpoint = socket(dir, "coordinator");
    strata(&format!("decide --endpoint {endpoint} {FUNCTION_FLAGS}")).status.success()
}

#[test]
fn decisions_are_made_over_sockets_that_go_with_their_processes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut layers: Vec<Process> = LAYERS.map(|name| layer(dir, name).start()).into();
    let mut coordinator = coordinator(dir).start();
    assert!(strata(&format!("health {}", socket(dir, "tactical"))).status.success());
    assert!(decides(dir));

    // A layer that is killed leaves its socket behind. The next one replaces the socket, and the
    // coordinator connects to it.
    layers[1].kill();
    assert!(dir.join("tactical.sock").exists());
    assert!(!decides(dir));
    layers[1] = layer(dir, "tactical").start();
    eventually("a decision", || decides(dir).then_some(()));

    coordinator.signal(Signal::TERM);
    assert_eq!(coordinator.wait().code(), Some(0));
    for layer in &mut layers {
        layer.signal(Signal::TERM);
        assert_eq!(layer.wait().code(), Some(0));
    }
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
}

#[test]
fn a_socket_in_use_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let _first = layer(dir.path(), "tactical").start();
    let mut second = layer(dir.path(), "tactical").spawn();
    assert_eq!(second.wait().code(), Some(1));
    assert!(second.log().contains("a process listens there; stop it"), "{}", second.log());
}
