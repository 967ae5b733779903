//! Rewrites the LSTM nodes of a graph that the trainer wrote to 8-bit weights.
//!
//! ONNX Runtime's operator `com.microsoft.DynamicQuantizeLSTM` takes the operands of `LSTM`,
//! followed by scale and zero point of W and of R. It expects both weights transposed: W is
//! [directions, inputs, 4 * hidden] and R is [directions, hidden, 4 * hidden], with one scale per
//! column in [directions, 4 * hidden]. It quantises its inputs at each run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;

use super::{
    proto::{
        GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, tensor_proto::DataType,
    },
    reader::{self, Constant},
};

/// The description of [`quantise`] that goes into the manifest.
pub(crate) const SCHEME: &str = "LSTM weights int8, symmetric, one scale per gate and unit; \
     what flows into them uint8, scaled at each run; everything else f32";

const OPERATOR: &str = "DynamicQuantizeLSTM";
const DOMAIN: &str = "com.microsoft";
/// Positions of the input weights and the recurrent weights among the operands.
const WEIGHTS: [usize; 2] = [1, 2];
/// Operands of an LSTM with all optional ones: X, W, R, B, sequence lengths, initial hidden state,
/// initial cell state, peepholes.
const LSTM_OPERANDS: usize = 8;
/// Greatest magnitude of a quantised weight. -128 is not used, so that the range is symmetric.
const GREATEST: f32 = 127.0;

/// A graph with 8-bit weights.
#[derive(Debug)]
pub(crate) struct Quantised {
    /// The serialised model.
    pub(crate) graph: Vec<u8>,
    /// The names of the nodes that were rewritten.
    pub(crate) nodes: Vec<String>,
}

/// Rewrites the LSTM nodes of the graph in `bytes`. The same input gives the same output.
///
/// # Errors
/// When the trainer did not write the graph, when a node cannot be rewritten (the message names
/// it), or when the graph has no LSTM.
pub(crate) fn quantise(bytes: &[u8]) -> Result<Quantised> {
    let header = reader::Header::decode(bytes)?;
    ensure!(
        header.is_ours,
        "the trainer did not write this graph: quantise it with the tools that made it, and import \
         the result"
    );
    let mut model = ModelProto::decode(bytes).context("not an ONNX model")?;
    let graph = model.graph.as_mut().context("the ONNX model has no graph")?;
    let mut nodes = Vec::new();
    for index in 0..graph.node.len() {
        let node = &graph.node[index];
        let name = node.name.clone().unwrap_or_else(|| format!("number {index}"));
        let domain = node.domain.as_deref().unwrap_or_default();
        ensure!(
            matches!(domain, "" | "ai.onnx"),
            "node `{name}` belongs to the operator set `{domain}`: only plain ONNX can be quantised"
        );
        if node.op_type.as_deref() != Some("LSTM") {
            continue;
        }
        rewrite(graph, index).with_context(|| format!("node `{name}` cannot be quantised"))?;
        nodes.push(name);
    }
    ensure!(!nodes.is_empty(), "the graph has no LSTM node: there is nothing to quantise");
    let used: BTreeSet<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
    let unused =
        |tensor: &TensorProto| tensor.name.as_ref().is_none_or(|name| !used.contains(name));
    let kept: Vec<_> = graph.initializer.iter().filter(|t| !unused(t)).cloned().collect();
    graph.initializer = kept;
    model
        .opset_import
        .push(OperatorSetIdProto { domain: Some(DOMAIN.to_owned()), version: Some(1) });
    Ok(Quantised { graph: model.encode_to_vec(), nodes })
}

fn rewrite(graph: &mut GraphProto, index: usize) -> Result<()> {
    let node = &graph.node[index];
    // Direction, activations, clipping: the trainer writes the defaults; other values were never
    // compared with the original operator.
    let odd = node.attribute.iter().find(|a| a.name.as_deref() != Some("hidden_size"));
    ensure!(odd.is_none(), "it has the unsupported attribute `{}`", odd.map_or("", |a| a.name()));
    let hidden = node.attribute.first().and_then(|a| usize::try_from(a.i?).ok());
    let hidden = hidden.context("it has no hidden_size")?;
    ensure!(node.input.len() <= LSTM_OPERANDS, "it has {} operands", node.input.len());
    let mut operands = node.input.clone();
    operands.resize(LSTM_OPERANDS, String::new());
    let mut added = BTreeMap::new();
    for position in WEIGHTS {
        let name = operands[position].clone();
        let tensors = weights(graph, &name, hidden).with_context(|| format!("weight `{name}`"))?;
        operands[position] = tensors[0].name().to_owned();
        operands.extend(tensors[1..].iter().map(|tensor| tensor.name().to_owned()));
        // Two nodes may share a weight, which must be added once.
        added.extend(tensors.into_iter().map(|tensor| (tensor.name().to_owned(), tensor)));
    }
    for (name, tensor) in added {
        if !graph.initializer.iter().any(|known| known.name() == name) {
            graph.initializer.push(tensor);
        }
    }
    let node: &mut NodeProto = &mut graph.node[index];
    node.op_type = Some(OPERATOR.to_owned());
    node.domain = Some(DOMAIN.to_owned());
    node.input = operands;
    Ok(())
}

/// Quantises the weight `name` [1, 4 * hidden, columns]: returns the int8 weight
/// [1, columns, 4 * hidden], and its scales and zero points [1, 4 * hidden].
fn weights(graph: &GraphProto, name: &str, hidden: usize) -> Result<[TensorProto; 3]> {
    let mut found = graph.initializer.iter().filter(|tensor| tensor.name() == name);
    let tensor = found.next().context("it is not a constant of the graph")?;
    ensure!(found.next().is_none(), "the graph defines it twice");
    ensure!(tensor.data_type == Some(DataType::Float as i32), "it is not f32");
    let (shape, values): Constant = reader::read(tensor)?;
    let &[1, rows, columns] = shape.as_slice() else {
        bail!("its shape is {shape:?}, expected [1, 4 * hidden, columns]")
    };
    ensure!(
        hidden.checked_mul(4) == Some(rows) && rows > 0 && columns > 0,
        "its shape is {shape:?}, and hidden_size is {hidden}"
    );
    ensure!(values.iter().all(|value| value.is_finite()), "it holds a value that is not finite");
    let scales: Vec<f32> = values.chunks_exact(columns).map(scale).collect();
    let mut narrow = vec![0u8; values.len()];
    for (row, (weights, scale)) in values.chunks_exact(columns).zip(&scales).enumerate() {
        for (column, weight) in weights.iter().enumerate() {
            let rounded = (weight / scale).round_ties_even().clamp(-GREATEST, GREATEST);
            narrow[column * rows + row] = (rounded as i8).cast_unsigned();
        }
    }
    let scales = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    Ok([
        constant(format!("{name}.int8"), &[1, columns, rows], (DataType::Int8, narrow)),
        constant(format!("{name}.scale"), &[1, rows], (DataType::Float, scales)),
        constant(format!("{name}.zero"), &[1, rows], (DataType::Int8, vec![0; rows])),
    ])
}

/// The value that one integer step of a channel stands for.
fn scale(weights: &[f32]) -> f32 {
    let greatest = weights.iter().fold(0f32, |most, weight| most.max(weight.abs()));
    let scale = greatest / GREATEST;
    // The weights are all zero, or so small that the quotient is: any positive scale gives zeros.
    if scale.is_normal() { scale } else { 1.0 }
}

fn constant(name: String, shape: &[usize], (kind, raw): (DataType, Vec<u8>)) -> TensorProto {
    TensorProto {
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_type: Some(kind as i32),
        name: Some(name),
        raw_data: Some(raw),
        data_location: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::onnx::{Axis, GraphBuilder};

    /// An LSTM with two units and one input; `weights` are those of the gates in order.
    fn graph(weights: &[f32; 8]) -> Vec<u8> {
        let mut graph = GraphBuilder::new("small");
        let x = graph.input("x", &[Axis::Fixed(3), Axis::Batch, Axis::Fixed(1)]);
        let w = graph.constant("W", &[1, 8, 1], weights).unwrap();
        let r = graph.constant("R", &[1, 8, 2], &[0.5; 16]).unwrap();
        let b = graph.constant("B", &[1, 16], &[0.0; 16]).unwrap();
        let [_, last] = graph.lstm("cells", [&x, &w, &r, &b], 2);
        graph.output("y", &last, &[Axis::Fixed(1), Axis::Batch, Axis::Fixed(2)]).unwrap();
        graph.finish()
    }

    fn changed(change: impl FnOnce(&mut GraphProto)) -> String {
        let mut model = ModelProto::decode(graph(&[1.0; 8]).as_slice()).unwrap();
        change(model.graph.as_mut().unwrap());
        format!("{:#}", quantise(&model.encode_to_vec()).unwrap_err())
    }

    #[test]
    fn each_channel_has_its_own_scale_and_the_weights_are_transposed() {
        let made = quantise(&graph(&[127.0, -1.27, 0.0, 0.3, 1.0, 1.0, 1.0, -2.0])).unwrap();
        assert_eq!(made.nodes, ["cells"]);
        let model = ModelProto::decode(made.graph.as_slice()).unwrap();
        assert_eq!(model.opset_import[1].domain(), "com.microsoft");
        let graph = model.graph.unwrap();
        let named = |name: &str| graph.initializer.iter().find(|t| t.name() == name);
        assert!(named("W").is_none(), "the f32 weight is left in the file");
        assert_eq!(named("W.int8").unwrap().dims, [1, 1, 8]);
        assert_eq!(named("R.int8").unwrap().dims, [1, 2, 8]);
        let bytes = named("W.int8").unwrap().raw_data().iter();
        let narrow: Vec<i8> = bytes.map(|byte| byte.cast_signed()).collect();
        assert_eq!(narrow, [127, -127, 0, 127, 127, 127, 127, -127]);
        let scales = &named("W.scale").unwrap().raw_data()[..12];
        assert_eq!(scales, [1f32, 0.01, 1.0].map(f32::to_le_bytes).concat());
        let operands = ["x", "W.int8", "R.int8", "B", "", "", "", ""];
        let scales = ["W.scale", "W.zero", "R.scale", "R.zero"];
        assert_eq!(graph.node[0].input, [operands.as_slice(), &scales].concat());
    }

    #[test]
    fn what_cannot_be_quantised_is_named() {
        assert!(quantise(b"graph").is_err());
        let text = changed(|graph| graph.node[0].input[1] = "nothing".to_owned());
        assert!(text.contains("`cells`") && text.contains("`nothing`"), "{text}");
        let text = changed(|graph| graph.initializer[0].dims = vec![1, 4, 2]);
        assert!(text.contains("`cells`") && text.contains("[1, 4, 2]"), "{text}");
        let text = changed(|graph| graph.node[0].attribute[0].name = Some("clip".to_owned()));
        assert!(text.contains("`cells`") && text.contains("`clip`"), "{text}");
        let text = changed(|graph| graph.node[0].domain = Some("com.example".to_owned()));
        assert!(text.contains("`cells`") && text.contains("com.example"), "{text}");
        let text = changed(|graph| graph.node[0].op_type = Some("GRU".to_owned()));
        assert!(text.contains("no LSTM"), "{text}");
        let text = changed(|graph| graph.initializer[1].raw_data = Some(vec![0; 7]));
        assert!(text.contains("`cells`") && text.contains("`R`"), "{text}");
    }

    #[test]
    fn a_quantised_graph_and_a_graph_of_others_are_refused() {
        let made = quantise(&graph(&[1.0; 8])).unwrap();
        let again = quantise(&made.graph).unwrap_err().to_string();
        assert!(again.contains("`cells`") && again.contains("com.microsoft"), "{again}");
        let mut model = ModelProto::decode(graph(&[1.0; 8]).as_slice()).unwrap();
        model.producer_name = Some("pytorch".to_owned());
        let foreign = quantise(&model.encode_to_vec()).unwrap_err().to_string();
        assert!(foreign.contains("did not write"), "{foreign}");
    }
}
