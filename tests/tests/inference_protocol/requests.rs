//! Requests to models with one input.

use strata_wire::oip::{
    InferTensorContents, ModelInferRequest, ModelMetadataRequest,
    grpc_inference_service_client::GrpcInferenceServiceClient as Client,
    model_infer_request::InferInputTensor,
};
use tonic::transport::Channel;

/// The number of values in a row of a model with one input.
pub(crate) async fn row_width(client: &mut Client<Channel>, name: &str) -> usize {
    let request = ModelMetadataRequest { name: name.to_owned(), ..Default::default() };
    let metadata = client.model_metadata(request).await.unwrap().into_inner();
    metadata.inputs[0].shape[1] as usize
}

/// A request with rows for the input `state` of a model, as a list of values.
pub(crate) fn typed(model: &str, rows: usize, values: Vec<f32>) -> ModelInferRequest {
    let shape = vec![rows as i64, (values.len() / rows) as i64];
    let contents = InferTensorContents { fp32_contents: values, ..Default::default() };
    ModelInferRequest {
        model_name: model.to_owned(),
        inputs: vec![InferInputTensor {
            name: "state".to_owned(),
            datatype: "FP32".to_owned(),
            shape,
            contents: Some(contents),
            ..Default::default()
        }],
        ..Default::default()
    }
}
