use super::*;

fn text() -> String {
    format!(
        "name: scaler
version: 3
graph: {{ file: model.onnx, sha256: {:064x}, opset: 17 }}
inputs:
- name: window
  shape: [batch, 12, 2]
  dtype: f32
  features: [{{ name: rate, unit: 1/s }}, {{ name: load, unit: '1' }}]
outputs:
- {{ name: y, shape: [batch, 3], labels: [a, b, c] }}
data: {{ trace: made up, splits: first half trains, seed: 7 }}
training: {{ epochs: 4, rate: 0.5, shuffled: true, optimiser: adam }}
metrics: {{ r2: 0.5 }}
",
        0xabcd
    )
}

fn refusal(from: &str, to: &str) -> String {
    refusal_in(&text(), from, to)
}

fn refusal_in(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: {from}");
    match Manifest::parse(&text.replace(from, to)).unwrap_err() {
        ManifestError::Yaml(source) => source.to_string(),
        other => other.to_string(),
    }
}

#[test]
fn what_is_written_reads_back_and_is_written_the_same() {
    let manifest = Manifest::parse(&text()).unwrap();
    assert_eq!(manifest.inputs[0].shape, Shape::new([12, 2]));
    assert_eq!(manifest.training["epochs"], Scalar::Int(4));
    assert_eq!(manifest.training["rate"], Scalar::Float(0.5));
    let written = manifest.to_yaml().unwrap();
    let again = Manifest::parse(&written).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(again.to_yaml().unwrap(), written);
}

#[test]
fn an_unknown_key_is_named() {
    let error = refusal("version: 3", "version: 3\nlicence: MIT");
    assert!(error.contains("unknown field `licence`"), "{error}");
    let error = refusal("opset: 17", "opset: 17, size: 5");
    assert!(error.contains("unknown field `size`"), "{error}");
}

#[test]
fn counts_that_do_not_match_the_last_dimension_are_shown() {
    let error = refusal(", { name: load, unit: '1' }", "");
    assert!(error.contains("input `window`: 1 features") && error.contains("has 2"), "{error}");
    let error = refusal("labels: [a, b, c]", "labels: [a, b]");
    assert!(error.contains("output `y`: 2 labels") && error.contains("has 3"), "{error}");
}

#[test]
fn names_that_stand_twice_are_refused() {
    assert!(refusal("name: load", "name: rate").contains("feature `rate` is listed twice"));
    assert!(refusal("[a, b, c]", "[a, b, a]").contains("label `a` is listed twice"));
    let output = "- { name: y, shape: [batch, 3], labels: [a, b, c] }\n";
    assert!(refusal(output, &output.repeat(2)).contains("output `y` is listed twice"));
}

#[test]
fn a_graph_outside_the_directory_is_refused() {
    for file in ["../model.onnx", "/etc/passwd", "a/b.onnx", "..", "'a\\b'", "''", "'C:x'"] {
        let error = refusal("file: model.onnx", &format!("file: {file}"));
        assert!(error.contains("plain file name"), "{file}: {error}");
    }
}

#[test]
fn other_contradictions_are_refused() {
    for (from, to, why) in [
        ("version: 3", "version: 0", "versions start at 1"),
        ("name: scaler", "name: ../scaler", "not a model name"),
        ("sha256: 0000", "sha256: 000G", "64 lower-case hexadecimal"),
        ("sha256: 0000", "sha256: 000", "64 lower-case hexadecimal"),
        ("opset: 17", "opset: 0", "opset versions start at 1"),
        ("dtype: f32", "dtype: f64", "unknown variant `f64`"),
        ("[batch, 3]", "[batch, 0]", "dimension of 0"),
        ("[batch, 3]", "[batch, 4096, 4096, 3]", "values per row"),
        ("[batch, 3]", "[1, 3]", "must be `batch`"),
        ("r2: 0.5", "r2: .nan", "metric `r2` is NaN"),
        ("name: y", "name: ''", "is empty"),
    ] {
        let error = refusal(from, to);
        assert!(error.contains(why), "{to}: {error}");
    }
}

#[test]
fn an_invalid_manifest_is_not_written() {
    let mut manifest = Manifest::parse(&text()).unwrap();
    manifest.metrics.insert("loss".to_owned(), f64::INFINITY);
    assert!(matches!(manifest.to_yaml(), Err(ManifestError::Invalid(_))));
}

#[test]
fn an_oversized_manifest_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(MANIFEST_FILE);
    std::fs::write(&path, "#".repeat(1 + (1 << 20))).unwrap();
    assert!(matches!(Manifest::read(&path), Err(ManifestError::Io { .. })));
}

#[test]
fn a_variant_must_be_another_file_with_figures_that_are_numbers() {
    let digest = "0".repeat(64);
    let with = |file: &str, sha256: &str, tolerance: &str| {
        let variant = format!(
            "int8: {{ file: {file}, sha256: '{sha256}', bytes: 3, source_sha256: '{digest}', \
             scheme: s, tolerance: {tolerance} }}\n"
        );
        Manifest::parse(&format!("{}{variant}", text())).map(|manifest| manifest.int8.is_some())
    };
    assert!(with("model.int8.onnx", &digest, "0.02").unwrap());
    for (file, sha256, tolerance, why) in [
        ("model.onnx", digest.as_str(), "0.02", "is the graph file"),
        ("../x.onnx", digest.as_str(), "0.02", "plain file name"),
        ("x.onnx", "abc", "0.02", "64 lower-case"),
        ("x.onnx", digest.as_str(), ".nan", "tolerance is NaN"),
        ("x.onnx", digest.as_str(), "-1.0", "tolerance is -1"),
    ] {
        let error = with(file, sha256, tolerance).unwrap_err().to_string();
        assert!(error.contains(why), "{file}: {error}");
    }
}

/// A model that scores candidates.
fn scorer() -> String {
    format!(
        "name: scorer
version: 1
graph: {{ file: model.onnx, sha256: {:064x}, opset: 17 }}
axis: {{ name: candidates, max: 4096, mask: mask }}
inputs:
- {{ name: state, shape: [batch, 1], dtype: f32, features: [{{ name: load, unit: '1' }}] }}
- name: items
  shape: [batch, candidates, 2]
  dtype: f32
  features: [{{ name: cost, unit: USD }}, {{ name: delay, unit: ms }}]
- {{ name: mask, shape: [batch, candidates], dtype: f32, features: [{{ name: ok, unit: '1' }}] }}
outputs:
- {{ name: q_values, shape: [batch, candidates], labels: [q] }}
- {{ name: value, shape: [batch, 1], labels: [value] }}
",
        0xabcd
    )
}

#[test]
fn an_axis_reads_back_as_it_was_written() {
    let manifest = Manifest::parse(&scorer()).unwrap();
    let axis = Axis { name: "candidates".into(), max: 4096, mask: "mask".into() };
    assert_eq!(manifest.axis, Some(axis));
    assert_eq!(manifest.inputs[1].shape, Shape::on_axis("candidates", [2]));
    let written = manifest.to_yaml().unwrap();
    assert_eq!(Manifest::parse(&written).unwrap(), manifest);
    // Every shape of a model without one is fixed, and nothing is written of it.
    let fixed = Manifest::parse(&text()).unwrap();
    assert!(fixed.axis.is_none() && !fixed.to_yaml().unwrap().contains("axis"));
}

#[test]
fn an_axis_that_contradicts_the_shapes_is_refused() {
    let axis = "axis: { name: candidates, max: 4096, mask: mask }\n";
    let declared =
        |max: &str, mask: &str| format!("axis: {{ name: candidates, max: {max}, mask: {mask} }}\n");
    for (from, to, why) in [
        (axis, "", "input `items`: shape [batch, candidates, 2] has the dimension `candidates`"),
        ("labels: [q]", "labels: []", "output `q_values`: 0 labels are listed"),
        ("labels: [q]", "labels: [q, r]", "[batch, candidates] needs exactly one"),
        (", { name: delay, unit: ms }", "", "the last dimension of [batch, candidates, 2] has 2"),
        (axis, &declared("0", "mask"), "at most 0 positions, it must be 1 to 4096"),
        (axis, &declared("4097", "mask"), "at most 4097 positions, it must be 1 to 4096"),
        (
            axis,
            &declared("9", "items"),
            "must be [batch, candidates], it is [batch, candidates, 2]",
        ),
        (axis, &declared("9", "state"), "must be [batch, candidates], it is [batch, 1]"),
        (axis, &declared("9", "q_values"), "the mask `q_values` of axis `candidates` is not an"),
        ("[batch, 1], dtype", "[batch, rows], dtype", "has the dimension `rows`, which `axis`"),
        ("[batch, 1], dtype", "[batch, 1, candidates], dtype", "only the dimension after `batch`"),
        // 4096 positions of 257 values are more than 2^20.
        ("[batch, candidates, 2]", "[batch, candidates, 257]", "values per row"),
    ] {
        let error = refusal_in(&scorer(), from, to);
        assert!(error.contains(why), "{to}: {error}");
    }
    for name in ["batch", "'2nd'", "''", "a-b"] {
        let error = refusal_in(&scorer(), "candidates", name);
        assert!(error.contains("is not the name of an axis"), "{name}: {error}");
    }
}

#[test]
fn an_axis_that_no_shape_has_is_refused() {
    let axis = "version: 3\naxis: { name: candidates, max: 8, mask: window }";
    assert!(refusal("version: 3", axis).contains("axis `candidates` is declared, but no shape"));
}
