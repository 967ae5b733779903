//! Reads the constants of an ONNX file back, so that the network that wrote it can be rebuilt.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use prost::Message;

use super::proto::{
    ModelProto, TensorProto, ValueInfoProto, tensor_proto::DataType, tensor_shape_proto::dimension,
    type_proto,
};

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// One constant: shape and row-major values.
pub(super) type Constant = (Vec<usize>, Vec<f32>);

/// The f32 constants of an ONNX file by name, with the name and the input shape of its graph.
#[derive(Debug)]
pub struct Initializers {
    graph: String,
    input: Vec<Option<usize>>,
    constants: BTreeMap<String, Constant>,
}

impl Initializers {
    /// Decodes an ONNX file. The bytes are not trusted.
    ///
    /// # Errors
    /// When the bytes are not an ONNX model, or a constant's bytes do not fill its shape.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let model = ModelProto::decode(bytes).context("not an ONNX model")?;
        let graph = model.graph.context("the ONNX model has no graph")?;
        let mut constants = BTreeMap::new();
        for tensor in graph.initializer {
            if tensor.data_type != Some(DataType::Float as i32) {
                continue;
            }
            let name = tensor.name.clone().context("the ONNX model has a nameless initializer")?;
            let constant = read(&tensor).with_context(|| format!("initializer {name}"))?;
            let taken = constants.insert(name.clone(), constant);
            ensure!(taken.is_none(), "initializer {name} is given twice");
        }
        let input = graph.input.into_iter().next().map(shape_of).unwrap_or_default();
        Ok(Self { graph: graph.name.unwrap_or_default(), input, constants })
    }

    /// The name of the graph: the layer whose requests the network answers.
    pub fn graph(&self) -> &str {
        &self.graph
    }

    /// The axes of the first graph input; `None` where any size is accepted.
    pub fn input(&self) -> &[Option<usize>] {
        &self.input
    }

    /// Shape and row-major values of the constant called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<(&[usize], &[f32])> {
        let (shape, values) = self
            .constants
            .get(name)
            .with_context(|| format!("the ONNX model has no initializer {name}"))?;
        Ok((shape, values))
    }

    /// The row-major values of the constant called `name`, which must have the given shape.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub fn shaped(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (found, values) = self.get(name)?;
        ensure!(found == shape, "initializer {name} has shape {found:?}, expected {shape:?}");
        Ok(values.to_vec())
    }

    /// The row-major values of the constant called `name`, whatever its shape.
    ///
    /// # Errors
    /// When there is none.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        Ok(self.get(name)?.1.to_vec())
    }

    /// The size of one axis of the constant called `name`.
    ///
    /// # Errors
    /// When there is none, or it has fewer axes.
    pub fn axis(&self, name: &str, axis: usize) -> Result<usize> {
        let (shape, _) = self.get(name)?;
        shape.get(axis).copied().with_context(|| format!("initializer {name} has no axis {axis}"))
    }
}

/// What an ONNX file declares about itself, whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Version of the default operator set it imports; 0 when it imports none.
    pub(crate) opset: u32,
    /// Whether the trainer wrote the file.
    pub(crate) is_ours: bool,
    /// Whether an initializer is stored in another file.
    pub(crate) external_data: bool,
}

impl Header {
    /// Decodes an ONNX file. The bytes are not trusted.
    ///
    /// # Errors
    /// When the bytes are not an ONNX model.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let model = ModelProto::decode(bytes).context("not an ONNX model")?;
        let graph = model.graph.context("not an ONNX model: it has no graph")?;
        let mut opsets = model.opset_import.iter();
        let opset = opsets
            .find(|opset| matches!(opset.domain.as_deref(), None | Some("" | "ai.onnx")))
            .and_then(|opset| u32::try_from(opset.version?).ok());
        Ok(Self {
            opset: opset.unwrap_or(0),
            is_ours: model.producer_name.as_deref() == Some(env!("CARGO_PKG_NAME")),
            external_data: graph.initializer.iter().any(|t| t.data_location == Some(EXTERNAL)),
        })
    }
}

fn shape_of(input: ValueInfoProto) -> Vec<Option<usize>> {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.and_then(|t| t.value) else {
        return Vec::new();
    };
    let dims = tensor.shape.unwrap_or_default().dim;
    dims.into_iter()
        .map(|d| match d.value {
            Some(dimension::Value::DimValue(size)) => usize::try_from(size).ok(),
            Some(dimension::Value::DimParam(_)) | None => None,
        })
        .collect()
}

pub(super) fn read(tensor: &TensorProto) -> Result<Constant> {
    let shape = tensor
        .dims
        .iter()
        .map(|&d| usize::try_from(d).with_context(|| format!("axis of size {d}")))
        .collect::<Result<Vec<_>>>()?;
    let count = shape
        .iter()
        .try_fold(1usize, |product, &d| product.checked_mul(d))
        .context("the shape overflows")?;
    let raw = tensor.raw_data.as_deref().context("no raw data")?;
    ensure!(
        count.checked_mul(4) == Some(raw.len()),
        "{} bytes do not fill f32 {shape:?}",
        raw.len()
    );
    let values =
        raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok((shape, values))
}
