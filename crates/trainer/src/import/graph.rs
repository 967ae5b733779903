//! Imports an ONNX graph that somebody else exported: checks it, runs it and writes its manifest.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use strata_runtime::{
    DType, Feature, GraphFile, Input, Manifest, ModelFiles, OnnxRuntime, Output, Shape, sha256_hex,
};

use super::options::{Import, Origin};
use crate::{
    contract::Bound,
    onnx::{self, Header},
    publish,
};

/// Publishes `graph` unchanged. Returns the version's directory.
///
/// # Errors
/// When the graph differs from what the layer requires (the message shows both sides), or an output
/// is not finite.
pub(super) fn import(
    import: &Import,
    (graph, origin): (&[u8], &Origin),
    (version, bounds): (u32, &[Bound]),
    runtime: &OnnxRuntime,
) -> Result<PathBuf> {
    let header = Header::decode(graph)?;
    ensure!(
        !header.external_data,
        "the graph keeps weights in another file; export it as one file"
    );
    ensure!(
        header.opset >= onnx::OPSET,
        "opset: the {} layer wants {} or later, the graph imports {}; export it with \
         opset_version={}",
        import.layer,
        onnx::OPSET,
        header.opset,
        onnx::OPSET
    );
    let manifest = manifest(import, bounds, (version, header.opset), graph);
    let manifest = Manifest { data: Some(origin.data()), training: origin.training(), ..manifest };
    let files = ModelFiles::new(manifest.clone(), graph.to_vec())?;
    let model = publish::start(files, runtime)?;
    publish::finite(&model, bounds)?;
    publish::place(&import.models, &manifest, (graph, None))
        .with_context(|| format!("cannot publish the {} model", import.layer))
}

fn manifest(
    import: &Import,
    bounds: &[Bound],
    (version, opset): (u32, u32),
    graph: &[u8],
) -> Manifest {
    let feature = |b: &Bound| Feature { name: b.name.to_owned(), unit: b.unit.to_owned() };
    let outputs = import.layer.outputs().into_iter().map(|(name, labels)| Output {
        name: name.to_owned(),
        shape: Shape::new([labels.len()]),
        labels,
    });
    Manifest {
        name: import.layer.name().to_owned(),
        version,
        graph: GraphFile { file: publish::GRAPH_FILE.to_owned(), sha256: sha256_hex(graph), opset },
        axis: None,
        inputs: vec![Input {
            name: import.layer.input().to_owned(),
            shape: Shape::new(import.layer.row(bounds.len())),
            dtype: DType::F32,
            features: bounds.iter().map(feature).collect(),
        }],
        outputs: outputs.collect(),
        policy: None,
        data: None,
        training: Default::default(),
        metrics: Default::default(),
        int8: None,
    }
}
