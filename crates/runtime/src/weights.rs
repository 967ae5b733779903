//! The weights in a graph file, for sessions that share them.

use std::sync::Arc;

use ort::session::builder::{PrepackedWeights, SessionBuilder};
use ort::value::{DynValue, Tensor};

/// Fields of the ONNX messages that lead to a weight, by their numbers in `onnx.proto`.
mod field {
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const GRAPH_INITIALIZER: u64 = 5;
    pub(super) const TENSOR_DIMS: u64 = 1;
    pub(super) const TENSOR_DATA_TYPE: u64 = 2;
    pub(super) const TENSOR_NAME: u64 = 8;
    pub(super) const TENSOR_RAW_DATA: u64 = 9;
}

/// `TensorProto.DataType.FLOAT`
const FLOAT: u64 = 1;
/// Smaller ones are not worth it; among them are what ONNX Runtime reads as settings.
const MIN_BYTES: usize = 1024;

/// The large weights of a graph, held once for all sessions that are built with them.
pub(crate) struct Weights {
    values: Vec<(String, Arc<DynValue>)>,
    /// What the sessions make of them to run faster, once for all of them.
    packed: PrepackedWeights,
}

impl Weights {
    /// Finds those in `graph`. What is no graph has none: ONNX Runtime says what is wrong with it.
    pub(crate) fn of(graph: &[u8]) -> ort::Result<Weights> {
        let mut values = Vec::new();
        for graph in messages(graph, field::MODEL_GRAPH) {
            for tensor in messages(graph, field::GRAPH_INITIALIZER) {
                if let Some(weight) = Weight::read(tensor) {
                    let value = Tensor::from_array((weight.shape, weight.values))?;
                    values.push((weight.name, Arc::new(value.into_dyn())));
                }
            }
        }
        Ok(Weights { values, packed: PrepackedWeights::new() })
    }

    /// Has a session take these instead of reading its own.
    pub(crate) fn share(&self, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        let mut builder = builder.with_prepacked_weights(&self.packed)?;
        for (name, value) in &self.values {
            builder = builder.with_initializer(name, Arc::clone(value))?;
        }
        Ok(builder)
    }
}

struct Weight {
    name: String,
    shape: Vec<i64>,
    values: Vec<f32>,
}

impl Weight {
    fn read(tensor: &[u8]) -> Option<Weight> {
        let (mut name, mut raw, mut shape, mut data_type) = (None, None, Vec::new(), 0);
        for (number, value) in fields(tensor) {
            match (number, value) {
                (field::TENSOR_DIMS, Value::Number(dim)) => shape.push(i64::try_from(dim).ok()?),
                (field::TENSOR_DIMS, Value::Bytes(mut packed)) => {
                    while let Some(dim) = varint(&mut packed) {
                        shape.push(i64::try_from(dim).ok()?);
                    }
                }
                (field::TENSOR_DATA_TYPE, Value::Number(found)) => data_type = found,
                (field::TENSOR_NAME, Value::Bytes(bytes)) => name = Some(bytes),
                (field::TENSOR_RAW_DATA, Value::Bytes(bytes)) => raw = Some(bytes),
                _ => {}
            }
        }
        let raw = raw.filter(|raw| raw.len() >= MIN_BYTES && data_type == FLOAT)?;
        let values: Vec<f32> = raw.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
        let name = String::from_utf8(name?.to_vec()).ok()?;
        Some(Weight { name, shape, values })
    }
}

/// A value on the wire.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn messages(bytes: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes).filter_map(move |(number, value)| match value {
        Value::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    })
}

/// The fields of a message, as far as it is one.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => Value::Bytes(bytes.split_off(..8)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Value::Bytes(bytes.split_off(..length)?)
            }
            5 => Value::Bytes(bytes.split_off(..4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A field with bytes, shorter than 128 or as long as two digits tell.
    fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        let [low, high] = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        [&[number << 3 | 2, low, high], value].concat()
    }

    fn number(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn tensor(name: &str, dims: &[u8], data_type: u8) -> Vec<u8> {
        let count: usize = dims.iter().map(|dim| usize::from(*dim)).product();
        let values: Vec<u8> = (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let dims = dims.iter().flat_map(|dim| number(1, *dim));
        let parts = [number(2, data_type), bytes(8, name.as_bytes()), bytes(9, &values)];
        dims.chain(parts.concat()).collect()
    }

    #[test]
    fn a_weight_is_read_with_its_name_shape_and_values() {
        let weight = Weight::read(&tensor("w", &[16, 20], 1)).unwrap();
        assert_eq!((weight.name.as_str(), weight.shape), ("w", vec![16, 20]));
        assert_eq!((weight.values.len(), weight.values[319]), (320, 319.0));
        let packed = [bytes(1, &[16, 20]), tensor("w", &[], 1)].concat();
        assert!(Weight::read(&packed).is_none(), "one value is not worth it");
    }

    #[test]
    fn weights_are_found_in_the_graph_and_others_are_left_to_the_session() {
        let initializers = [
            tensor("large", &[16, 20], 1),
            tensor("small", &[2, 2], 1),
            tensor("int", &[9, 99], 7),
        ];
        let graph: Vec<u8> = initializers.iter().flat_map(|tensor| bytes(5, tensor)).collect();
        // An opset, of which nothing is to be known, and a field of eight bytes.
        let model = [number(1, 8), bytes(7, &graph), vec![3 << 3 | 1; 9]].concat();
        let found: Vec<_> = messages(&model, field::MODEL_GRAPH)
            .flat_map(|graph| messages(graph, field::GRAPH_INITIALIZER))
            .filter_map(Weight::read)
            .map(|weight| weight.name)
            .collect();
        assert_eq!(found, ["large"]);
    }

    #[test]
    fn what_is_cut_short_or_no_message_ends_and_does_not_panic() {
        let whole = bytes(7, &bytes(5, &tensor("w", &[16, 20], 1)));
        for end in 0..whole.len() {
            assert!(messages(&whole[..end], field::MODEL_GRAPH).next().is_none());
        }
        for noise in [vec![0xff; 40], vec![0x0f; 40], [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff].into()] {
            assert_eq!(fields(&noise).count(), 0);
        }
    }
}
