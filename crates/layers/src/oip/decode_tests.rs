//! Decoding of good, bad and malicious requests.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use prost::Message;
use strata_domain::FaultKind;
use strata_runtime::Manifest;
use strata_wire::oip::{
    InferParameter, InferTensorContents, ModelInferRequest,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
};

use super::{decode, encode, tensor};

/// The largest batch of a model with two inputs, of 2 and of 2 x 3 values, and two outputs.
const MAX_BATCH: usize = 4;

fn manifest() -> Manifest {
    Manifest::parse(&format!(
        "name: pair
version: 3
graph: {{ file: model.onnx, opset: 17, sha256: {:064x} }}
inputs:
- name: a
  shape: [batch, 2]
  dtype: f32
  features: [{{ name: x, unit: '1' }}, {{ name: y, unit: '1' }}]
- {{ name: b, shape: [batch, 2, 1], dtype: f32, features: [{{ name: z, unit: '1' }}] }}
outputs:
- {{ name: p, shape: [batch, 1], labels: [p] }}
- {{ name: q, shape: [batch], labels: [q] }}",
        0
    ))
    .unwrap()
}

fn contents(values: &[f32]) -> Option<InferTensorContents> {
    Some(InferTensorContents { fp32_contents: values.to_vec(), ..Default::default() })
}

fn input(name: &str, shape: &[i64], values: &[f32]) -> InferInputTensor {
    InferInputTensor {
        name: name.to_owned(),
        datatype: "FP32".to_owned(),
        shape: shape.to_vec(),
        contents: contents(values),
        ..Default::default()
    }
}

/// Two rows, with the inputs in another order than in the manifest.
fn typed() -> ModelInferRequest {
    ModelInferRequest {
        inputs: vec![
            input("b", &[2, 2, 1], &[5.0, 6.0, 7.0, 8.0]),
            input("a", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        ],
        ..Default::default()
    }
}

/// The same request with raw bytes.
fn raw() -> ModelInferRequest {
    let mut request = typed();
    for input in &mut request.inputs {
        let values = input.contents.take().unwrap().fp32_contents;
        request.raw_input_contents.push(tensor::to_raw(&values).into());
    }
    request
}

fn read(mut request: ModelInferRequest) -> Result<decode::Rows, strata_wire::Fault> {
    decode::rows(&manifest(), MAX_BATCH, &mut request)
}

#[test]
fn inputs_are_found_by_name_typed_and_raw() {
    let rows = read(typed()).unwrap();
    assert_eq!((rows.count, rows.raw), (2, false));
    assert_eq!(rows.inputs, [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
    let bytes = read(raw()).unwrap();
    assert_eq!((bytes.count, bytes.raw, bytes.inputs), (2, true, rows.inputs));
}

#[test]
fn bad_requests_are_refused_with_what_is_wrong() {
    type Bend = fn(&mut ModelInferRequest);
    let bends: [(&str, Bend); 15] = [
        ("expected 2 inputs for model `pair`, got 1", |r| drop(r.inputs.pop())),
        ("unexpected inference input `c` for model `pair`", |r| r.inputs[0].name = "c".into()),
        ("input `b` of model `pair` is missing", |r| r.inputs[0] = r.inputs[1].clone()),
        ("unexpected shape for input `a`: expected [-1,2], got [2,3]", |r| {
            r.inputs[1].shape[1] = 3
        }),
        ("expected [-1,2], got []", |r| r.inputs[1].shape.clear()),
        ("got [1,1,1,1,1,1,1,1,...]", |r| r.inputs[1].shape = vec![1; 100_000]),
        ("the batch size of input `a` must be 1 to 4, is 5", |r| r.inputs[1].shape[0] = 5),
        ("must be 1 to 4, is 0", |r| r.inputs[1].shape[0] = 0),
        ("must be 1 to 4, is -1", |r| r.inputs[1].shape[0] = -1),
        ("the same number of rows", |r| r.inputs[0] = input("b", &[1, 2, 1], &[1.0, 2.0])),
        ("unexpected datatype `INT64` for input `a`", |r| r.inputs[1].datatype = "INT64".into()),
        ("needs 4 values, fp32_contents has 0", |r| r.inputs[1].contents = None),
        ("raw_input_contents has 1 entries for 2 inputs", |r| {
            r.raw_input_contents.push(vec![].into());
        }),
        ("must not have contents beside", |r| {
            r.raw_input_contents = vec![vec![0; 16].into(), vec![0; 16].into()];
        }),
        ("value 3 is not finite", |r| r.inputs[1].contents = contents(&[0.0, 0.0, 0.0, f32::NAN])),
    ];
    for (message, bend) in bends {
        let mut request = typed();
        bend(&mut request);
        let fault = read(request).unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidArgument, "{message}");
        assert!(fault.message.contains(message), "{message:?} is not in {:?}", fault.message);
    }
}

#[test]
fn shared_memory_is_not_found() {
    let mut request = raw();
    let region = ("shared_memory_region".to_owned(), InferParameter::default());
    request.inputs[0].parameters.insert(region.0, region.1);
    assert_eq!(read(request).unwrap_err().kind, FaultKind::NotFound);
}

#[test]
fn names_of_clients_are_cut_and_escaped_in_messages() {
    let mut request = typed();
    request.inputs[0].name = format!("\u{1b}[2J{}", "x".repeat(1 << 20));
    let message = read(request).unwrap_err().message;
    assert!(message.len() < 200 && message.contains("\\u{1b}[2J") && message.contains("..."));
}

#[test]
fn outputs_are_those_asked_for_in_order_and_once() {
    let asked = |names: &[&str]| {
        let outputs = names.iter().map(|name| InferRequestedOutputTensor {
            name: (*name).to_owned(),
            ..Default::default()
        });
        let request = ModelInferRequest { outputs: outputs.collect(), ..Default::default() };
        encode::asked(&manifest(), &request)
    };
    assert_eq!(asked(&[]).unwrap(), [0, 1]);
    assert_eq!(asked(&["q", "p", "q"]).unwrap(), [1, 0]);
    assert_eq!(asked(&["r"]).unwrap_err().kind, FaultKind::InvalidArgument);
}

#[test]
fn classification_is_unimplemented() {
    let parameter = ("classification".to_owned(), InferParameter::default());
    let output =
        InferRequestedOutputTensor { name: "p".to_owned(), parameters: [parameter].into() };
    let request = ModelInferRequest { outputs: vec![output], ..Default::default() };
    let fault = encode::asked(&manifest(), &request).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unimplemented);
}

/// Tensors that are nearly right, so that the test reaches every check.
fn tensors() -> impl Strategy<Value = InferInputTensor> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just("")];
    let datatype =
        prop_oneof![4 => Just("FP32"), 1 => Just("FP64"), 1 => Just("FP16"), 1 => Just("BOOL")];
    let dim = prop_oneof![8 => 0i64..5, 1 => any::<i64>()];
    let values = proptest::collection::vec(any::<f32>(), 0..10);
    let shape = proptest::collection::vec(dim, 0..4);
    (name, datatype, shape, values).prop_map(|(name, datatype, shape, values)| InferInputTensor {
        datatype: datatype.to_owned(),
        ..input(name, &shape, &values)
    })
}

proptest! {
    #[test]
    fn what_is_read_fits_the_model(
        inputs in proptest::collection::vec(tensors(), 0..4),
        raw in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3),
    ) {
        let raw_input_contents = raw.into_iter().map(Into::into).collect();
        let request = ModelInferRequest { inputs, raw_input_contents, ..Default::default() };
        if let Ok(rows) = read(request) {
            prop_assert!((1..=MAX_BATCH).contains(&rows.count));
            prop_assert_eq!(rows.inputs.len(), 2);
            for values in &rows.inputs {
                prop_assert_eq!(values.len(), rows.count * 2);
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }

    #[test]
    fn any_bytes_on_the_wire_are_a_request_or_a_refusal(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
        typed_contents in any::<bool>(),
    ) {
        let request = if typed_contents { typed() } else { raw() };
        let mut bytes = request.encode_to_vec();
        for (index, byte) in flips {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        for end in [bytes.len(), cut.index(bytes.len())] {
            if let Ok(request) = ModelInferRequest::decode(&bytes[..end]) {
                let _ = read(request);
            }
        }
    }
}
