//! ONNX graphs that other programs exported.

use strata_trainer::onnx::{Axis, GraphBuilder};

use super::*;

/// A strategic graph of one linear layer, as another program would have written it.
fn graph(input: &str, batch: Axis, log: bool) -> Vec<u8> {
    let mut graph = GraphBuilder::new("main_graph");
    let mut x = graph.input(input, &[batch, Axis::Fixed(14)]);
    if log {
        x = graph.unary("Log", "log", &x);
    }
    let weight = graph.constant("w", &[3, 14], &[0.01; 42]).unwrap();
    let bias = graph.constant("b", &[3], &[1.0, 2.0, 3.0]).unwrap();
    let y = graph.linear("fc", [&x, &weight, &bias]);
    graph.output("q_values", &y, &[batch, Axis::Fixed(3)]).unwrap();
    replaced(graph.finish(), b"strata-trainer", b"somebody--else")
}

fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to);
    bytes
}

#[track_caller]
fn refusal(graph: &[u8], parts: &[&str]) {
    let fixture = Fixture::new();
    let file = fixture.write("net.onnx", graph);
    let options = fixture.options(DecisionLayer::Strategic, &file);
    let error = format!("{:#}", import::import(&options, &fixture.runtime).unwrap_err());
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    assert!(!fixture.models().exists(), "something was published");
}

#[test]
fn a_foreign_graph_is_published_as_it_is_and_verified_without_parity() {
    let fixture = Fixture::new();
    let bytes = graph("state", Axis::Batch, false);
    let file = fixture.write("net.onnx", &bytes);
    let options = fixture.options(DecisionLayer::Strategic, &file);
    let directory = import::import(&options, &fixture.runtime).unwrap();
    assert_eq!(std::fs::read(directory.join("model.onnx")).unwrap(), bytes);
    let q = fixture.serve(DecisionLayer::Strategic, &[1.0; 28]).remove(0);
    let each = [1.0, 2.0, 3.0].map(|bias: f32| bias + 0.14);
    assert_close(&q, &[each, each].concat());
    let verified = publish::verify(&fixture.models(), &fixture.runtime).unwrap();
    assert_eq!(verified[0].agreement, publish::Agreement::Unknown);
    assert!(verified[0].to_string().contains("not one of ours: parity skipped"));
}

#[test]
fn features_of_its_own_are_checked_against_the_catalogue() {
    let fixture = Fixture::new();
    let file = fixture.write("net.onnx", graph("state", Axis::Batch, false));
    let features = |text: &str| {
        let features = Some(fixture.write("features.yaml", text));
        let options = Import { features, ..fixture.options(DecisionLayer::Strategic, &file) };
        format!("{:#}", import::import(&options, &fixture.runtime).unwrap_err())
    };
    let error = features("features: [{ name: hour, unit: h }]");
    assert!(error.contains("f32 [batch, 1]") && error.contains("[batch, 14]"), "{error}");
    let error = features("features: [{ name: hour, unit: min }]");
    assert!(error.contains("`hour` is wanted in `min`"), "{error}");
}

#[test]
fn a_graph_that_does_not_fit_is_refused_with_both_sides() {
    refusal(&graph("x", Axis::Batch, false), &["input `state`", "no such name", "input `x`"]);
    refusal(&graph("state", Axis::Fixed(1), false), &["f32 [batch, 14]", "[1, 14]"]);
    let old = replaced(graph("state", Axis::Batch, false), b"\x0a\0\x10\x11", b"\x0a\0\x10\x0b");
    refusal(&old, &["wants 17 or later", "imports 11"]);
    refusal(b"garbage", &["not an ONNX model"]);
}

#[test]
fn a_graph_that_gives_infinity_for_valid_input_is_refused() {
    refusal(&graph("state", Axis::Batch, true), &["not finite", "hour="]);
}

#[test]
fn verify_notices_a_model_that_no_service_could_use() {
    let fixture = Fixture::new();
    let file = fixture.write("net.onnx", graph("state", Axis::Batch, false));
    let directory =
        import::import(&fixture.options(DecisionLayer::Strategic, &file), &fixture.runtime)
            .unwrap();
    let manifest = directory.join("manifest.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("name: day_of_week", "name: moon_phase")).unwrap();
    let error = format!("{:#}", publish::verify(&fixture.models(), &fixture.runtime).unwrap_err());
    assert!(error.contains("strategic version 1") && error.contains("moon_phase"), "{error}");
}
