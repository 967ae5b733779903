//! Variants of a version. A test variant is a copy of the version's own graph in another file,
//! which the layer cannot distinguish from a real one.

use super::*;

/// Adds a variant to a published version; `change` edits its entry in the manifest.
fn vary(layer: &Layer, number: u32, change: impl FnOnce(String) -> String) {
    let dir = layer.dir.path().join(format!("strategic/{number}"));
    fs::copy(dir.join("model.onnx"), dir.join("model.int8.onnx")).unwrap();
    let manifest = fs::read_to_string(dir.join("manifest.yaml")).unwrap();
    let digest = manifest.lines().find_map(|line| line.strip_prefix("  sha256: ")).unwrap();
    let entry = format!(
        "int8:\n  file: model.int8.onnx\n  sha256: {digest}\n  bytes: 1\n  \
         source_sha256: {digest}\n  scheme: none\n  tolerance: 0.0\n"
    );
    fs::write(dir.join("manifest.yaml"), manifest.clone() + &change(entry)).unwrap();
}

#[tokio::test]
async fn a_variant_is_served_where_there_is_one() {
    let layer = Layer::start();
    assert_eq!(layer.listed(1).await.precision, "fp32", "version 1 has no variant");
    vary(&layer, 2, |entry| entry);
    assert_eq!(layer.listed(2).await.precision, "", "it is not loaded");
    layer.catalog.load(Some(2)).await.unwrap();
    assert_eq!(layer.listed(2).await.precision, "int8");
    layer.share(&[(2, 100)], &[]).await.unwrap();
    assert_eq!(layer.answerer().await, 2);
}

#[tokio::test]
async fn a_variant_that_is_damaged_or_of_another_graph_is_refused() {
    let layer = Layer::start();
    let other = "0".repeat(64);
    let refused = async |number| {
        let fault = layer.catalog.load(Some(number)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::FailedPrecondition);
        assert_eq!(layer.listed(number).await.state(), pb::ModelState::Failed);
        fault.message
    };
    let swapped = |entry: String, key: &str| -> String {
        let lines = entry.lines().map(|line| match line.trim_start().starts_with(key) {
            true => format!("  {key} '{other}'\n"),
            false => format!("{line}\n"),
        });
        lines.collect()
    };
    vary(&layer, 2, |entry| swapped(entry, "sha256:"));
    let message = refused(2).await;
    assert!(message.contains("model.int8.onnx") && message.contains(&other), "{message}");
    layer.publish(2, 3);
    vary(&layer, 3, |entry| swapped(entry, "source_sha256:"));
    let message = refused(3).await;
    assert!(message.contains("quantize") && message.contains(&other), "{message}");
    // The variant is sound, but the file of the original graph is damaged.
    layer.publish(2, 4);
    vary(&layer, 4, |entry| entry);
    layer.damage(4);
    assert!(refused(4).await.contains("`model.onnx`"));
    assert_eq!(layer.answerer().await, 1);
}
