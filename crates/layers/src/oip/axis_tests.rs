//! A model with an axis, asked with tensors.
#![allow(clippy::unwrap_used)]

use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    oip::{
        InferTensorContents, ModelConfigRequest, ModelInferRequest, ModelInferResponse,
        ModelMetadataRequest, grpc_inference_service_server::GrpcInferenceService,
        model_infer_request::InferInputTensor,
    },
};
use tonic::Request;
use tracing::Span;

use super::{infer::Call, model_tests, service::server, tensor};
use crate::adapter::tests::scorer::Scorer;

type Layer = model_tests::Layer<Scorer>;

fn start() -> Layer {
    Layer::start_in("../runtime/tests/data")
}

fn input(name: &str, shape: &[i64], values: Vec<f32>) -> InferInputTensor {
    let contents = InferTensorContents { fp32_contents: values, ..Default::default() };
    InferInputTensor {
        name: name.to_owned(),
        datatype: "FP32".to_owned(),
        shape: shape.to_vec(),
        contents: Some(contents),
        ..Default::default()
    }
}

/// Rows of `extent` candidates from row `first` on; the last candidate of each is masked.
fn request(first: usize, rows: usize, extent: usize) -> ModelInferRequest {
    let value = |index: usize| (index * 37 % 101) as f32 / 50.0 - 1.0;
    let mask = |index: usize| if index % extent + 1 == extent && extent > 1 { 0.0 } else { 1.0 };
    let values = |width: usize| (first * width..(first + rows) * width).map(value).collect();
    let [n, c] = [rows, extent].map(|dim| i64::try_from(dim).unwrap());
    ModelInferRequest {
        model_name: "scores".to_owned(),
        inputs: vec![
            input("mask", &[n, c], (0..rows * extent).map(mask).collect()),
            input("candidates", &[n, c, 2], values(extent * 2)),
            input("state", &[n, 3], values(3)),
        ],
        ..Default::default()
    }
}

async fn infer(layer: &Layer, request: ModelInferRequest) -> Result<ModelInferResponse, Fault> {
    let call = Call { caller: 0, deadline: None, span: &Span::none() };
    layer.oip.infer(request, call).await
}

#[tokio::test]
async fn metadata_and_configuration_leave_the_axis_open() {
    let layer = start();
    let name = "scores".to_owned();
    let metadata = ModelMetadataRequest { name: name.clone(), ..Default::default() };
    let metadata = layer.oip.model_metadata(Request::new(metadata)).await.unwrap().into_inner();
    let shapes: Vec<_> = metadata.inputs.into_iter().map(|input| input.shape).collect();
    assert_eq!(shapes, [vec![-1, 3], vec![-1, -1, 2], vec![-1, -1]]);
    let shapes: Vec<_> = metadata.outputs.into_iter().map(|output| output.shape).collect();
    assert_eq!(shapes, [vec![-1, -1], vec![-1, 1]]);
    let config = ModelConfigRequest { name, ..Default::default() };
    let config = layer.oip.model_config(Request::new(config)).await.unwrap().into_inner();
    let config = config.config.unwrap();
    let dims: Vec<_> = config.input.into_iter().map(|input| input.dims).collect();
    assert_eq!(dims, [vec![3], vec![-1, 2], vec![-1]]);
    assert_eq!(config.output[0].dims, [-1]);
}

#[tokio::test]
async fn rows_of_any_extent_are_answered_typed_and_raw() {
    let layer = start();
    for extent in [1, 5, 4096] {
        let answer = infer(&layer, request(0, 3, extent)).await.unwrap();
        let c = i64::try_from(extent).unwrap();
        let shapes: Vec<_> = answer.outputs.iter().map(|output| output.shape.clone()).collect();
        assert_eq!(shapes, [vec![3, c], vec![3, 1]]);
        let values =
            |output: usize| answer.outputs[output].contents.as_ref().unwrap().fp32_contents.clone();
        let (q_values, best) = (values(0), values(1));
        assert_eq!((q_values.len(), best.len()), (3 * extent, 3));
        for row in 0..3 {
            let own = &q_values[row * extent..(row + 1) * extent];
            assert!(extent == 1 || own[extent - 1] == f32::NEG_INFINITY);
            assert_eq!(own.iter().copied().fold(f32::NEG_INFINITY, f32::max), best[row]);
            let mut raw = request(row, 1, extent);
            for input in &mut raw.inputs {
                let values = input.contents.take().unwrap().fp32_contents;
                raw.raw_input_contents.push(tensor::to_raw(&values).into());
            }
            let alone = infer(&layer, raw).await.unwrap();
            assert_eq!(alone.raw_output_contents[0], tensor::to_raw(own));
        }
    }
}

#[tokio::test]
async fn shapes_that_do_not_fit_the_axis_are_refused_with_what_is_wrong() {
    type Bend = fn(&mut ModelInferRequest);
    let bends: [(&str, Bend); 8] = [
        ("unexpected shape for input `candidates`: expected [-1,-1,2], got [2,4,3]", |r| {
            r.inputs[1].shape[2] = 3;
        }),
        ("unexpected shape for input `mask`: expected [-1,-1], got [2,4,1]", |r| {
            r.inputs[0].shape.push(1);
        }),
        ("expected [-1,-1,2], got [2,4]", |r| r.inputs[1].shape.truncate(2)),
        ("the number of `candidates` of input `mask` must be 1 to 4096, is 0", |r| {
            r.inputs[0].shape[1] = 0;
        }),
        ("must be 1 to 4096, is 4097", |r| r.inputs[0].shape[1] = 4097),
        ("must be 1 to 4096, is -1", |r| r.inputs[1].shape[1] = -1),
        ("every input must have the same number of `candidates`", |r| {
            r.inputs[0] = input("mask", &[2, 3], vec![1.0; 6]);
        }),
        ("the mask `mask` holds 0.5, it must hold 0 and 1 only", |r| {
            r.inputs[0] = input("mask", &[2, 4], vec![0.5; 8]);
        }),
    ];
    let layer = start();
    for (message, bend) in bends {
        let mut request = request(0, 2, 4);
        bend(&mut request);
        let fault = infer(&layer, request).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidArgument, "{message}: {}", fault.message);
        assert!(fault.message.contains(message), "{message:?} is not in {:?}", fault.message);
    }
    assert!(infer(&layer, request(0, 2, 4)).await.is_ok());
}

#[tokio::test]
async fn the_largest_message_bounds_a_request_whatever_a_batch_may_hold() {
    let layer = start();
    // 64 rows of 3 + 4096 * 3 values, 9 bytes each, and 64 KiB.
    let batch = 64 * (3 + 4096 * 3) * 9 + (64 << 10);
    assert_eq!(server(layer.oip.clone(), usize::MAX).largest(), batch);
    assert_eq!(server(layer.oip, 4 << 20).largest(), 4 << 20);
}
