//! The graph of crates: `tests/data/edges.txt` lists which crate may use which.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

const GOLDEN: &str = include_str!("../../data/edges.txt");

fn metadata() -> Metadata {
    let manifest = strata_tests::root().join("Cargo.toml");
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps().exec().expect("cargo metadata")
}

/// `a -> b` for every dependency of one workspace member on another, by their names without
/// `strata-`.
fn edges(metadata: &Metadata) -> BTreeSet<String> {
    let short = |name: &str| name.strip_prefix("strata-").unwrap_or(name).to_owned();
    let members: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut edges = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if members.contains(dependency.name.as_str()) {
                let only = match dependency.kind {
                    DependencyKind::Development => " (tests only)",
                    _ => "",
                };
                let (from, to) = (short(&package.name), short(&dependency.name));
                edges.insert(format!("{from} -> {to}{only}"));
            }
        }
    }
    edges
}

#[test]
fn crates_depend_on_each_other_as_the_golden_file_says() {
    let found = edges(&metadata());
    let golden: BTreeSet<String> = GOLDEN
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let new: Vec<_> = found.difference(&golden).collect();
    let gone: Vec<_> = golden.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "the graph of crates has changed; if that is meant, say so in tests/data/edges.txt and \
         ARCHITECTURE.md\n\
         new: {new:?}\ngone: {gone:?}"
    );
}

#[test]
fn only_the_runtime_uses_onnx_runtime() {
    let metadata = metadata();
    let users: Vec<&str> = metadata
        .packages
        .iter()
        .filter(|package| package.dependencies.iter().any(|d| d.name.starts_with("ort")))
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(users, ["strata-runtime"]);
}

#[test]
fn pure_crates_use_nothing_that_waits_or_talks() {
    let metadata = metadata();
    for name in ["strata-domain", "strata-policy"] {
        let package = metadata.packages.iter().find(|package| package.name == name).unwrap();
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        let used: Vec<&str> = normal.map(|dependency| dependency.name.as_str()).collect();
        let banned = ["tokio", "futures-util", "tonic", "rand", "reqwest", "hyper", "axum"];
        assert!(used.iter().all(|name| !banned.contains(name)), "{name}: {used:?}");
    }
}
