//! `docs/metrics.md` lists exactly the metrics that running processes expose.

mod document;
mod labels;
mod page;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use strata_tests::{Cluster, LAYERS, Node};

use self::{
    document::{Document, Group},
    page::{Families, Family, parse},
    traffic::Services,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_lists_the_metrics_that_processes_expose() {
    let cluster = Cluster::start_with(|spec| spec.on_version(1));
    let exposed = traffic::pages_after(&Services::of_cluster(&cluster)).await.map(|p| parse(&p));
    let [coordinator, layers @ ..] = &exposed;
    for (layer, families) in LAYERS.iter().zip(layers) {
        let different = different(families, &layers[0]);
        assert!(different.is_empty(), "strategic and {layer}: {different:#?}");
    }
    let groups = grouped(coordinator, layers);
    let problems = labels::problems(groups.iter().flat_map(|group| &group.families));
    assert!(
        problems.is_empty(),
        "correct LABELS in tests/tests/house/metrics/labels.rs:\n{}",
        problems.join("\n")
    );

    let mut document = Document::read();
    let differences = document.update(&groups, &labels::table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        document.write();
        return;
    }
    assert!(
        differences.is_empty(),
        "docs/metrics.md differs from what the processes expose:\n{}\n\
         `UPDATE_DOCS=1 cargo test -p strata-tests --test house metrics` writes it. If a metric \
         that is documented still exists, tests/tests/house/metrics/traffic.rs must cause it.",
        differences.join("\n")
    );
}

/// One process has no replicas of layers, and so no streams to them.
const OF_REPLICAS: &str = "strata_coordinator_layer_links";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_exposes_the_metrics_of_four() {
    let cluster = Cluster::start_with(|spec| spec.on_version(1));
    let node = Node::start_with(|spec| spec.set_layers("MODELS_VERSION", "1"));
    let apart = traffic::pages_after(&Services::of_cluster(&cluster)).await.map(|p| parse(&p));
    let together = traffic::pages_after(&Services::of_node(&node)).await.map(|p| parse(&p));
    for (process, (together, apart)) in cluster.processes().iter().zip(together.iter().zip(&apart))
    {
        let mut different = different(together, apart);
        different.retain(|[name, ..]| *name != OF_REPLICAS);
        assert!(different.is_empty(), "{}: {different:#?}", process.spec().name());
    }
}

/// Name, type, unit and help of the metrics that only one process exposes, or exposes otherwise.
fn different<'a>(one: &'a Families, other: &'a Families) -> Vec<[&'a str; 4]> {
    let [one, other] = [one, other]
        .map(|families| families.values().map(Family::outline).collect::<BTreeSet<_>>());
    one.symmetric_difference(&other).copied().collect()
}

/// The metrics of every process, of the coordinator alone and of the layers alone.
fn grouped(coordinator: &Families, layers: &[Families; 3]) -> [Group; 3] {
    let mut shared = coordinator.clone();
    shared.retain(|name, _| layers[0].contains_key(name));
    layers.iter().for_each(|layer| merge(&mut shared, layer));
    let mut of_coordinator = coordinator.clone();
    of_coordinator.retain(|name, _| !shared.contains_key(name));
    let mut of_layers = layers[0].clone();
    of_layers.retain(|name, _| !shared.contains_key(name));
    layers.iter().for_each(|layer| merge(&mut of_layers, layer));
    [("every process", shared), ("the coordinator", of_coordinator), ("a layer", of_layers)]
        .map(|(name, families)| Group { name, families: families.into_values().collect() })
}

/// Adds to each metric the labels that another process has seen.
fn merge(families: &mut BTreeMap<String, Family>, other: &Families) {
    for (name, family) in families {
        if let Some(other) = other.get(name) {
            family.merge_labels(other);
        }
    }
}
